// `chain-end TEXT`: copies its input, then puts out TEXT. Exits with 3.
#include <stdio.h>

int main(int argc, char** argv) {
  for (int c; (c = getchar()) != EOF;) putchar(c);
  puts(argc > 1 ? argv[1] : "");
  return 3;
}
