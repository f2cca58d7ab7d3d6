import os, time
from hypothesis import settings, Phase, seed
from hypothesis.stateful import run_state_machine_as_test
import tests.model.test_weeks as t
T=[]; N=int(os.environ["N"])
class M(t.LongRun):
    def teardown(self):
        t0=time.time()
        w=self.world
        try: super().teardown()
        finally: T.append((time.time()-t0, len(w.killers), len(w.queues.dead_letters), str(w.now())))
def test_it():
    t0=time.time()
    try:
        run_state_machine_as_test(M, settings=settings(t.TestLongRun.settings, max_examples=N, derandomize=False, database=None, phases=(Phase.generate,)))
    finally:
        print("TIMES", time.time()-t0, len(T), sorted(T)[-8:], sorted(T)[len(T)//2:][:1])
