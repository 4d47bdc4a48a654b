// Preloaded: the host's kernel does not offer FSGSBASE (before Linux 5.9, or booted with nofsgsbase).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

unsigned long getauxval(unsigned long type) {
  const unsigned long fsgsbase = 2;  // HWCAP2_FSGSBASE, asm/hwcap2.h
  unsigned long (*real)(unsigned long);
  *(void**)&real = dlsym(RTLD_NEXT, "getauxval");
  const unsigned long value = real(type);
  return type == AT_HWCAP2 ? value & ~fsgsbase : value;
}
