// The least a program does that says anything.
#include "system.h"

int main(int argc, char** argv) {
  (void)argc, (void)argv;
  put("Hello\n");
  return 0;
}
