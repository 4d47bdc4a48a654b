// A dynamic program: uses its library, then says how it was started.
#include "guest.h"

extern int tiny_value;
int tiny_add(int a, int b);
extern int (*const tiny_function)(int, int);
extern int* const tiny_pointer;

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "exec") == 0) {
    const long r = sys(SYS_execve, argv[2], argv + 2, guest_envp);
    put("exec: "), put_long(r), put("\n");
    return 1;
  }
  *tiny_pointer += 1;
  put("sum "), put_long(tiny_add(tiny_value, 1)), put(" "), put_long(tiny_function(1, 2)), put("\n");
  for (int i = 1; i < argc; ++i) put("["), put(argv[i]), put("]");
  for (unsigned long* a = guest_auxv; a[0] != 0; a += 2)
    if (a[0] == AT_EXECPATH) put((const char*)a[1]);
  put("\n");
  return 0;
}
