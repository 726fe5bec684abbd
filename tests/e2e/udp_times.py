# SPDX-License-Identifier: Apache-2.0
"""udp_times.py echo ADDRESS: answers datagrams. udp_times.py ask ADDRESS COUNT: prints answers and the median round trip in ms."""
import socket
import statistics
import sys
import time

host, port = sys.argv[2], 9999
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == "echo":
    s.bind((host, port))
    print("ready", flush=True)
    while True:
        data, peer = s.recvfrom(2000)
        s.sendto(data, peer)
s.settimeout(0.5)
times = []
for i in range(int(sys.argv[3])):
    start = time.monotonic()
    s.sendto(i.to_bytes(4, "little") * 100, (host, port))
    try:
        while s.recv(2000)[:4] != i.to_bytes(4, "little"):
            pass
        times.append((time.monotonic() - start) * 1000)
    except socket.timeout:
        pass
print(len(times), round(statistics.median(times)) if times else 0)
