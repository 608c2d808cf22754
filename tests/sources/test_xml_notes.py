"""Notes in XML: what is read, what is repaired, and everything that is refused with its line and without its text."""

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText
from clinpeft.sources._xml_notes import Shape, read_note

SECRET = "ZQX-CANARY-7"
STRICT = Shape("root", marks=("MARK",), others=("LINK",), type_attribute="TYPE", has_bare_ampersands=False)
LENIENT = Shape("root", marks=("MARK",), others=("LINK",), type_attribute="TYPE", has_bare_ampersands=True)
MARK = '<MARK start="1" end="4" text="abc" TYPE="X" />'


def xml(text: str = "\nabc\n", tags: str = MARK, head: str = "") -> bytes:
    return f"{head}<root>\n<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{tags}\n</TAGS>\n</root>\n".encode()


def read(content: bytes, shape: Shape = STRICT):
    return read_note(RawText("a.xml", content), shape)


def test_text_and_tags_are_read_with_the_line_of_each_tag():
    note = read(xml())
    assert note.text == "\nabc\n"
    assert [(tag.row, tag.start, tag.end, tag.text, tag.type) for tag in note.tags] == [(6, 1, 4, "abc", "X")]
    assert note.problems == ()


def test_the_text_is_taken_as_written_and_attributes_as_xml_means_them():
    note = read(xml("a &apos;b&apos; <c> &d", MARK.replace("abc", "&apos;b&apos; &lt;&#233;&gt;")))
    assert note.text == "a &apos;b&apos; <c> &d"
    assert note.tags[0].text == "'b' <é>"


def test_line_ends_of_the_text_are_kept_and_a_line_end_in_an_attribute_is_a_blank():
    note = read(xml("a\r\nb\rc", MARK.replace("abc", "a\r\nb")))
    assert note.text == "a\r\nb\rc"
    assert note.tags[0].text == "a b"


@pytest.mark.parametrize("head", ["", '<?xml version="1.0" encoding="UTF-8" ?>\n', '<?xml version="1.0"?>', "\ufeff"])
def test_declaration_and_byte_order_mark_are_read_over(head):
    assert read(xml("na\u00efve \U0001f600", head=head)).text == "na\u00efve \U0001f600"


def test_bytes_that_are_not_utf8_are_read_as_cp1252_whatever_the_declaration_says():
    content = xml("the patient\u2019s", head='<?xml version="1.0" encoding="UTF-8" ?>').decode().encode("cp1252")
    note = read(content)
    assert (note.text, note.problems) == ("the patient\u2019s", ((None, "read-as-cp1252"),))


def test_ampersands_in_attributes_are_repaired_only_where_the_release_is_known_for_them():
    broken = xml("A&P", MARK.replace("abc", "A&P &apos;s &nbsp; &#65;"))
    note = read(broken, LENIENT)
    assert note.tags[0].text == "A&P 's &nbsp; A"
    assert note.problems == ((None, "ampersands-repaired"),)
    with pytest.raises(BadInput, match=r"^a.xml, line 4: is not well-formed XML"):
        read(broken)


def test_known_tags_that_are_not_wanted_are_left_out_and_unknown_ones_are_told():
    note = read(xml(tags=f'<LINK id="1" />\n{MARK}\n<OTHER />'))
    assert len(note.tags) == 1
    assert note.problems == ((8, "unknown-tag"),)


LAUGHS = '<!DOCTYPE root [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>\n'


@pytest.mark.parametrize("shape", [STRICT, LENIENT])
@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE root>",
        '<!DOCTYPE root SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE root [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE root [<!ENTITY % x SYSTEM "http://127.0.0.1/x.dtd"> %x;]>',
        LAUGHS,
        '<?xml version="1.0"?><!DOCTYPE root [<!ENTITY a "b">]>',
    ],
)
def test_a_dtd_is_refused_outright(head, shape):
    with pytest.raises(BadInput, match=r"^a.xml: holds a DTD"):
        read(xml(head=head, tags=MARK.replace("abc", "&c;")), shape)


def test_a_billion_laughs_without_any_note_is_refused_as_a_dtd():
    with pytest.raises(BadInput, match=r"^a.xml: holds a DTD"):
        read((LAUGHS + "<root>&c;</root>").encode(), LENIENT)


def test_a_dtd_inside_the_note_is_text():
    assert read(xml(LAUGHS)).text == LAUGHS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.xml, line 1: is not well-formed XML"),
        (b"\xff\xfe<\x00r\x00", "a.xml, byte 3: is a NUL byte"),
        (xml()[:-20], "a.xml, line 6: is not well-formed XML"),
        (xml(tags=MARK.replace("abc", f"{SECRET}<")), "a.xml, line 6: is not well-formed XML"),
        (xml(tags=MARK.replace("abc", f'{SECRET}" text="')), "a.xml, line 6: is not well-formed XML"),
        (xml(tags=MARK.replace("abc", "&nbsp;")), "a.xml, line 6: is not well-formed XML"),
        (xml().replace(b"root>", b"other>"), "a.xml: its root is not <root>"),
        (b"<root><TEXT>plain</TEXT></root>", "a.xml: has no <TEXT><![CDATA["),
        (xml(" \n\t"), "a.xml: its <TEXT> is empty"),
        (xml(tags=MARK.replace(' start="1"', "")), "a.xml, line 6: a tag has no start and end in digits"),
        (xml(tags=MARK.replace('"4"', f'"{SECRET}"')), "a.xml, line 6: a tag has no start and end in digits"),
        (xml(tags=MARK.replace('"1"', '"-1"')), "a.xml, line 6: a tag has no start and end in digits"),
        (xml(tags=MARK.replace('"1"', '"1.0"')), "a.xml, line 6: a tag has no start and end in digits"),
        (
            xml(tags=MARK.replace('"4"', '"99999999999999999999"')),
            "a.xml, line 6: a tag has no start and end in digits",
        ),
        (xml(tags=MARK.replace("text=", "txt=")), "a.xml, line 6: a tag has no text"),
        (xml(tags=MARK.replace("TYPE", "type")), "a.xml, line 6: a tag has no TYPE"),
        (xml(tags=MARK.replace('"1"', '"5"')), "a.xml, line 6: a tag starts after its end"),
    ],
)
def test_what_breaks_the_format_is_refused_in_one_line_without_text(content, message):
    with pytest.raises(BadInput) as caught:
        read(content)
    said = str(caught.value)
    assert said.startswith(message)
    assert SECRET not in said
    assert "\n" not in said


def test_deeply_nested_xml_is_read_to_its_end():
    deep = "<X>" * 100_000 + "</X>" * 100_000
    assert read(xml(tags=deep)).problems == ((6, "unknown-tag"),)


def test_neither_note_nor_tags_show_their_text():
    assert SECRET not in repr(read(xml(SECRET, MARK.replace("abc", SECRET))))
