// A dynamic linker as small as can be: loads what DT_NEEDED names from /lib, relocates, jumps to the program.
// Run directly, its first argument is the program. Formats: System V gABI, x86-64 psABI.
#include "guest.h"

struct ehdr { uint8_t ident[16]; uint16_t type, machine; uint32_t version; uint64_t entry, phoff, shoff; uint32_t flags; uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx; };
struct phdr { uint32_t type, flags; uint64_t offset, vaddr, paddr, filesz, memsz, align; };
struct dyn { int64_t tag; uint64_t value; };
struct sym { uint32_t name; uint8_t info, other; uint16_t section; uint64_t value, size; };
struct rela { uint64_t offset; uint32_t type, symbol; int64_t addend; };
enum { PT_LOAD = 1, PT_DYNAMIC = 2 };
enum { DT_NEEDED = 1, DT_PLTRELSZ = 2, DT_HASH = 4, DT_STRTAB = 5, DT_SYMTAB = 6, DT_RELA = 7, DT_RELASZ = 8, DT_JMPREL = 23 };
enum { R_64 = 1, R_GLOB_DAT = 6, R_JUMP_SLOT = 7, R_RELATIVE = 8 };

struct object {
  uint64_t base;
  const struct dyn* dynamic;
  const char* strings;
  const struct sym* symbols;
  uint32_t symbol_count;
};
static struct object objects[8];
static int object_count;
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

_Noreturn static void give_up(const char* what, const char* name) {
  say("ld: "), say(what), say(" "), say(name), say("\n");
  quit(70);
}
static uint64_t aux(uint64_t type) {
  for (unsigned long* a = guest_auxv; a[0] != 0; a += 2)
    if (a[0] == type) return a[1];
  return 0;
}
static uint64_t entry_of(const struct object* o, int64_t tag) {
  for (const struct dyn* d = o->dynamic; d->tag != 0; ++d)
    if (d->tag == tag) return d->value;
  return 0;
}

static void add(uint64_t base, const struct phdr* p, unsigned count) {
  struct object* o = &objects[object_count++];
  o->base = base;
  for (unsigned i = 0; i < count; ++i)
    if (p[i].type == PT_DYNAMIC) o->dynamic = (const struct dyn*)(base + p[i].vaddr);
  if (o->dynamic == 0) give_up("no dynamic section in an", "object");
  o->strings = (const char*)(base + entry_of(o, DT_STRTAB));
  o->symbols = (const struct sym*)(base + entry_of(o, DT_SYMTAB));
  o->symbol_count = ((const uint32_t*)(base + entry_of(o, DT_HASH)))[1];
}

// Maps `path`; returns its entry point.
static uint64_t load(const char* path) {
  static char head[4096];
  const long fd = sys(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) give_up("cannot find", path);
  if (sys(SYS_read, fd, head, sizeof head) < (long)sizeof(struct ehdr)) give_up("cannot read", path);
  const struct ehdr* e = (const struct ehdr*)(const void*)head;
  const struct phdr* p = (const struct phdr*)(const void*)(head + e->phoff);
  uint64_t end = 0;
  for (unsigned i = 0; i < e->phnum; ++i)
    if (p[i].type == PT_LOAD && p[i].vaddr + p[i].memsz > end) end = p[i].vaddr + p[i].memsz;
  end = (end + 4095) & ~4095UL;
  const long at = MMAP(0, end, 0, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (at <= 0) give_up("no room for", path);
  const uint64_t base = e->type == 2 ? 0 : (uint64_t)at;
  for (unsigned i = 0; i < e->phnum; ++i) {
    if (p[i].type != PT_LOAD) continue;
    const uint64_t from = p[i].vaddr & ~4095UL, skip = p[i].vaddr - from;
    const uint64_t file_end = p[i].vaddr + p[i].filesz, whole = (p[i].vaddr + p[i].memsz + 4095) & ~4095UL;
    const uint64_t mapped = (file_end + 4095) & ~4095UL;
    const int prot = (p[i].flags & 4 ? PROT_READ : 0) | (p[i].flags & 2 ? PROT_WRITE : 0) | (p[i].flags & 1 ? PROT_EXEC : 0);
    if (MMAP(base + from, mapped - from, prot, MAP_PRIVATE | MAP_FIXED, fd, p[i].offset - skip) < 0) give_up("cannot map", path);
    if (p[i].memsz > p[i].filesz) {
      memset((void*)(base + file_end), 0, mapped - file_end);
      if (whole > mapped && MMAP(base + mapped, whole - mapped, prot, MAP_PRIVATE | MAP_FIXED | MAP_ANON, -1, 0) < 0) give_up("cannot map", path);
    }
  }
  sys(SYS_close, fd);
  add(base, (const struct phdr*)(base + ((const struct ehdr*)base)->phoff), ((const struct ehdr*)base)->phnum);
  return base + ((const struct ehdr*)base)->entry;
}

static uint64_t find(const char* name) {
  for (int i = 0; i < object_count; ++i)
    for (uint32_t n = 1; n < objects[i].symbol_count; ++n) {
      const struct sym* s = &objects[i].symbols[n];
      if (s->section != 0 && strcmp(objects[i].strings + s->name, name) == 0) return objects[i].base + s->value;
    }
  give_up("undefined symbol", name);
}
static void relocate_table(const struct object* o, const struct rela* r, uint64_t size) {
  for (; size >= sizeof *r; size -= sizeof *r, ++r) {
    uint64_t* where = (uint64_t*)(o->base + r->offset);
    const char* name = o->strings + o->symbols[r->symbol].name;
    switch (r->type) {
      case R_RELATIVE: *where = o->base + (uint64_t)r->addend; break;
      case R_64: *where = find(name) + (uint64_t)r->addend; break;
      case R_GLOB_DAT:
      case R_JUMP_SLOT: *where = find(name); break;
      default: give_up("unknown relocation for", name);
    }
  }
}

int main(int argc, char** argv) {
  uint64_t entry = aux(AT_ENTRY);
  const uint64_t own = (uint64_t)__ehdr_start;
  const struct phdr* program = (const struct phdr*)aux(AT_PHDR);
  const bool alone = (uint64_t)program == own + ((const struct ehdr*)own)->phoff;
  if (aux(AT_BASE) != (alone ? (uint64_t)BASE_ALONE(own) : own)) give_up("AT_BASE is not what it should be in", argv[0]);
  if (aux(AT_PHENT) != sizeof *program || aux(AT_PAGESZ) != 4096) give_up("no header size or page size in", argv[0]);
  if (alone) {
    if (argc < 2) give_up("no", "program");
    entry = load(argv[1]);
    *++guest_arguments = (unsigned long)argc - 1;
  } else {
    uint64_t base = 0;
    for (unsigned i = 0; i < aux(AT_PHNUM); ++i)
      if (program[i].type == 6) base = (uint64_t)program - program[i].vaddr;  // PT_PHDR
    add(base, program, (unsigned)aux(AT_PHNUM));
  }
  for (int i = 0; i < object_count; ++i)
    for (const struct dyn* d = objects[i].dynamic; d->tag != 0; ++d) {
      char path[256];
      if (d->tag == DT_NEEDED) load(join(path, "/lib/", objects[i].strings + d->value));
    }
  for (int i = 0; i < object_count; ++i) {
    const struct object* o = &objects[i];
    relocate_table(o, (const struct rela*)(o->base + entry_of(o, DT_RELA)), entry_of(o, DT_RELASZ));
    relocate_table(o, (const struct rela*)(o->base + entry_of(o, DT_JMPREL)), entry_of(o, DT_PLTRELSZ));
  }
  enter_program(guest_arguments, entry);
}
