#include "guest.h"

int main(int argc, char** argv) {
  (void)argc, (void)argv;
  put("Hello from FreeBSD\n");
  return 0;
}
