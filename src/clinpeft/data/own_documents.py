"""Examples from annotated documents of one's own: CoNLL, brat and PubTator files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

from clinpeft.data.own_tables import Rows, text_of, tokens_of
from clinpeft.errors import BadInput
from clinpeft.sources._sentences import sentences_in
from clinpeft.sources.base import RawFiles
from clinpeft.sources.brat import BratDocument, read_brat
from clinpeft.sources.conll import SUFFIXES, read_conll
from clinpeft.sources.pubtator import PubTatorDocument, read_pubtator
from clinpeft.spec import TaskChoice
from clinpeft.tasks.base import BuildLog, Example, Span

NO_RELATION = "none"


@dataclass(frozen=True)
class Document:
    """A document of any annotated format: entities by number, relations as (head, tail) -> label."""

    id: str
    text: str = field(repr=False)
    entities: tuple[Span, ...]
    relations: dict[tuple[int, int], str]


def document_format(path: Path, kind: str) -> str | None:
    """`brat` for a folder, `pubtator` or `conll` by the file's name, None for a table."""
    name = path.name.casefold().removesuffix(".gz")
    if path.is_dir():
        return "brat"
    if name.endswith((".pubtator", ".pubtator.txt")):
        return "pubtator"
    return "conll" if kind == "entities" and name.endswith(SUFFIXES) else None


def rows_of_conll(raw: RawFiles, path: Path, choice: TaskChoice, origin: str) -> Rows:
    """One example a sentence; the document is the subject, unless the task says `subject: none`."""
    examples, unmarked = [], 0
    for sentence in read_conll(raw, path):
        unmarked += sentence.document is None
        id_ = f"{origin}:{sentence.line}"
        document = sentence.document or id_
        document = f"{origin}{document}" if document.startswith("#") else document
        examples.append(Example(id_, document, document, tags=sentence.tags, **text_of(sentence.tokens)))
    if unmarked and choice.subject != "none":
        rule = f"{unmarked} sentences stand in no document (-DOCSTART- or `# doc_id = …`)"
        raise BadInput(path.name, rule, "mark documents, or say subject: none")
    return _as_rows(examples, choice)


def rows_of_brat(raw: RawFiles, folder: Path, choice: TaskChoice, origin: str, log: BuildLog) -> Rows:
    """Entities: one example a sentence. Relations: one example for each pair of entities in a sentence."""
    documents = []
    for document in read_brat(raw, folder):
        if not document.has_annotations:
            log.anomaly(f"{folder.name}/", None, "no-annotation-file")
        for entity in document.entities:
            if entity.is_discontinuous:
                log.anomaly(f"{folder.name}/", entity.line, "discontinuous-entity-taken-as-one-stretch")
        documents.append(_from_brat(folder, document))
    return _rows_of_documents(documents, choice, origin, log)


def rows_of_pubtator(raw: RawFiles, path: Path, choice: TaskChoice, origin: str, log: BuildLog) -> Rows:
    """The same from PubTator; a relation of two concepts holds between all their mentions in a sentence."""
    documents = [_from_pubtator(document) for document in read_pubtator(raw, path)]
    return _rows_of_documents(documents, choice, origin, log)


def _from_brat(folder: Path, document: BratDocument) -> Document:
    index = {entity.id: number for number, entity in enumerate(document.entities)}
    entities = tuple(Span(entity.start, entity.end, entity.label) for entity in document.entities)
    relations: dict[tuple[int, int], str] = {}
    for relation in document.relations:
        where = f"{folder.name}/{document.id}.ann: line {relation.line}"
        if relation.head not in index or relation.tail not in index:
            raise BadInput(where, "relates something else than entities (T)")
        pair = index[relation.head], index[relation.tail]
        if relations.setdefault(pair, relation.label) != relation.label:
            raise BadInput(where, "gives a pair of entities a second relation", "an example has one label")
    return Document(document.id, document.text, entities, relations)


def _from_pubtator(document: PubTatorDocument) -> Document:
    mentions = document.mentions
    relations: dict[tuple[int, int], str] = {}
    by_concept: dict[str, list[int]] = defaultdict(list)
    for number, mention in enumerate(mentions):
        for concept in mention.concepts:
            by_concept[concept].append(number)
    for relation in document.relations:
        for head in by_concept[relation.head]:
            for tail in by_concept[relation.tail]:
                relations[head, tail] = relation.label
    entities = tuple(Span(mention.start, mention.end, mention.label) for mention in mentions)
    return Document(document.id, document.text, entities, relations)


def _rows_of_documents(documents: Sequence[Document], choice: TaskChoice, origin: str, log: BuildLog) -> Rows:
    if choice.kind == "entities":
        return _as_rows([one for document in documents for one in _entity_examples(document, origin)], choice)
    if choice.kind == "relations":
        return _as_rows(_relation_examples(documents, origin, log), choice)
    raise BadInput(origin, f"annotated documents hold no task of kind '{choice.kind}'", "use entities or relations")


def _entity_examples(document: Document, origin: str) -> Iterator[Example]:
    for start, end in _sentences(document):
        here = [span for span in document.entities if start <= span.start and span.end <= end]
        fields: dict[str, Any] = tokens_of(document.text, start, end)
        if not fields["tokens"]:
            continue
        yield Example(
            example=f"{origin}:{document.id}:{start}",
            subject=document.id,
            document=document.id,
            text=document.text[start:end],
            spans=tuple(Span(span.start - start, span.end - start, span.label) for span in here),
            **fields,
        )


def _relation_examples(documents: Sequence[Document], origin: str, log: BuildLog) -> list[Example]:
    """Pairs of the types that are related anywhere, in that order; unrelated ones get the label `none`.

    A relation across sentences has no example, because its unrelated pairs would be all pairs of the document.
    """
    types = {
        (document.entities[head].label, document.entities[tail].label)
        for document in documents
        for head, tail in document.relations
    }
    examples: list[Example] = []
    num_lost = num_kept = 0
    for document in documents:
        pairs = [pair for sentence in _sentences(document) for pair in _pairs_in(document, *sentence, types, origin)]
        kept = sum(pair.label != NO_RELATION for pair in pairs)
        num_kept += kept
        num_lost += len(document.relations) - kept
        examples += pairs
    log.filtered("related-pairs-within-a-sentence", num_kept, num_lost)
    return examples


def _pairs_in(document: Document, start: int, end: int, types: set[tuple[str, str]], origin: str) -> Iterator[Example]:
    here = [number for number, span in enumerate(document.entities) if start <= span.start and span.end <= end]
    for head, tail in permutations(here, 2):
        first, second = document.entities[head], document.entities[tail]
        if (first.label, second.label) in types:
            yield Example(
                example=f"{origin}:{document.id}:{head}:{tail}",
                subject=document.id,
                document=document.id,
                text=document.text[start:end],
                head=Span(first.start - start, first.end - start, first.label),
                tail=Span(second.start - start, second.end - start, second.label),
                label=document.relations.get((head, tail), NO_RELATION),
            )


def _sentences(document: Document) -> list[tuple[int, int]]:
    return sentences_in(document.text, [(span.start, span.end) for span in document.entities])


def _as_rows(examples: list[Example], choice: TaskChoice) -> Rows:
    if choice.subject == "none":
        examples = [replace(example, subject=example.example) for example in examples]
    return Rows(examples, [example.subject for example in examples], [])
