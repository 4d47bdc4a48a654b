// Makes the same calls again and again, as many times as its argument says: what must not cost sudrun memory.
#include "guest.h"

int main(int argc, char** argv) {
  long rounds = 0;
  for (const char* digit = argc > 1 ? argv[1] : ""; *digit; ++digit) rounds = rounds * 10 + (*digit - '0');
  const long queue = sys(362 /* kqueue */);
  const long zero = sys(5 /* open */, "/dev/zero", 0, 0);
  if (queue < 0 || zero < 0) return 1;
  static char buffer[256];
  long time[2];
  unsigned set[4];
  for (long i = 0; i < rounds; ++i) {
    sys(20 /* getpid */);
    sys(3 /* read */, zero, buffer, sizeof buffer);
    sys(232 /* clock_gettime */, 4, time);
    sys(551 /* fstat */, zero, buffer);
    sys(340 /* sigprocmask */, 1, 0, set);
    time[0] = time[1] = 0;
    sys(560 /* kevent */, queue, 0, 0, buffer, 1, time);
    sys(454 /* _umtx_op: wake */, buffer, 3, 1, 0, 0);
    sys(209 /* poll */, 0, 0, 0);
    sys(6 /* close */, -1);
  }
  return 0;
}
