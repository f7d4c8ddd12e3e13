import os
import subprocess
import sys

# Large blocks are freed, which by default makes glibc take such blocks from its heap from then on. Then each of many
# is followed by a small one that stays, so that the heap could not shrink.
PROGRAM = """
import ctypes, re
from labelloop.serving.allocator import give_back_large_blocks

give_back_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

def block(size):
    address = libc.malloc(size)
    ctypes.memset(address, 1, size)
    return address

libc.free(block(30 << 20))
before = resident()
large = []
for _ in range(50):
    large.append(block(2 << 20))
    block(2000)
for address in large:
    libc.free(address)
print(resident() - before)
"""


def test_large_blocks_are_given_back():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    assert float(ran.stdout) < 10  # MB, of 100; without it all stay
