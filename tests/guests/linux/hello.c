#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  printf("Hello from Linux, %d arguments\n", argc - 1);
  for (int i = 1; i < argc; ++i) printf("%d: %s\n", i, argv[i]);
  printf("HOME is %s\n", getenv("HOME") ? "set" : "unset");
  printf("%.6f %g\n", 1.0 / 3.0, 1e300 * 10);
  fprintf(stderr, "and on standard error\n");
  return argc - 1;
}
