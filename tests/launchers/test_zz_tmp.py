import threading, time, glob, os, subprocess
from clinpeft.launchers.ray import Ray
def test_x(small):
    small.write(methods=["lora"], baselines=[])
    def look():
        time.sleep(28)
        print(small.store.journal.path.read_text()[-600:])
        print(os.listdir(small.out))
        for f in glob.glob("/tmp/ray-*/session_2*/logs/worker-*.err")+glob.glob("/tmp/ray-*/session_2*/logs/python-core-worker*"): 
            t=open(f,errors="replace").read()
            if t.strip(): print(f, t[-700:])
        for p in subprocess.run(["pgrep","-f","ray::"],capture_output=True,text=True).stdout.split():
            print(p, open(f"/proc/{p}/cmdline").read()[:40], open(f"/proc/{p}/stat").read().split(")")[-1].split()[:14])
    t=threading.Thread(target=look); t.start()
    try: small.run(launcher=Ray())
    finally: t.join()
    assert 0
