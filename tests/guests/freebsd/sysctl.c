// sysctl: by number and by name, the questions about the tree, kern.proc, the routing table.
#include "guest.h"

static long by_number(const int* oid, unsigned count, void* old, size_t* length) { return sys(SYS___sysctl, oid, count, old, length, 0, 0); }
static long by_name(const char* name, void* old, size_t* length) { return sys(SYS___sysctlbyname, name, strlen(name), old, length, 0, 0); }
#define ASK(old, length, ...) by_number((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int), old, length)

CASE(values_and_sizes) {
  char text[64];
  size_t length = sizeof text;
  CHECK_EQ(by_name("kern.ostype", text, &length), 0);
  CHECK_EQ(length, 8);
  CHECK_EQ(strcmp(text, "FreeBSD"), 0);
  length = 3;
  CHECK_EQ(ASK(text, &length, 1, 1), -ENOMEM);
  CHECK_EQ(length, 3);
  CHECK_EQ(ASK(0, &length, 1, 1), 0);
  CHECK_EQ(length, 8);
  int n = 0;
  length = sizeof n;
  CHECK_EQ(ASK(&n, &length, 6, 7), 0);   // hw.pagesize
  CHECK_EQ(n, 4096);
  CHECK_EQ(length, 4);
  CHECK_EQ(ASK((void*)8, &length, 6, 7), -EFAULT);
  CHECK_EQ(ASK(&n, (size_t*)8, 6, 7), -EFAULT);
  CHECK_EQ(sys(SYS___sysctl, 8, 2, &n, &length, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS___sysctlbyname, 8, 5, &n, &length, 0, 0), -EFAULT);
}
CASE(errors) {
  int n = 0;
  size_t length = sizeof n;
  CHECK_EQ(ASK(&n, &length, 1), -EINVAL);
  CHECK_EQ(sys(SYS___sysctl, ((int[30]){1}), 25, &n, &length, 0, 0), -EINVAL);
  CHECK_EQ(ASK(&n, &length, 1, 14), -EISDIR);
  CHECK_EQ(ASK(&n, &length, 77, 1), -ENOENT);
  CHECK_EQ(ASK(&n, &length, 1, 1, 1), -ENOTDIR);
  CHECK_EQ(by_name("no.such", &n, &length), -ENOENT);
  CHECK_EQ(sys(SYS___sysctlbyname, "kern", 0, &n, &length, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS___sysctl, ((int[30]){1, 10}), 2, 0, 0, "new", 3), -EPERM);   // kern.hostname
  CHECK_EQ(sys(SYS___sysctl, ((int[30]){1, 14}), 2, 0, 0, "new", 3), -EISDIR);
}
CASE(tree) {
  int oid[24];
  size_t length = sizeof oid;
  CHECK_EQ(sys(SYS___sysctl, ((int[30]){0, 3}), 2, oid, &length, "kern.ipc.somaxconn", 18), 0);
  CHECK_EQ(length, 12);
  CHECK(oid[0] == 1 && oid[1] == 30 && oid[2] == 3);
  length = sizeof oid;
  CHECK_EQ(sys(SYS___sysctl, ((int[30]){0, 3}), 2, oid, &length, "kern.nothing", 12), -ENOENT);
  struct { unsigned kind; char text[60]; } format;
  length = sizeof format;
  CHECK_EQ(ASK(&format, &length, 0, 4, 1, 2), 0);
  CHECK_EQ(format.kind & 0xf, 3);
  CHECK(format.kind & 0x80000000);
  CHECK_EQ(strcmp(format.text, "A"), 0);
  char name[64];
  length = sizeof name;
  CHECK_EQ(ASK(name, &length, 0, 1, 1, 30, 3), 0);
  CHECK_EQ(strcmp(name, "kern.ipc.somaxconn"), 0);
  length = sizeof name;
  CHECK_EQ(ASK(name, &length, 0, 1, 1, 9999), 0);
  CHECK_EQ(strcmp(name, "kern.9999"), 0);
  int feature[24];
  length = sizeof feature;
  CHECK_EQ(sys(SYS___sysctl, ((int[30]){0, 3}), 2, feature, &length, "kern.features.inet6", 19), 0);
  int question[8] = {0, 5, feature[0], feature[1], feature[2]};
  length = sizeof name;
  CHECK_EQ(by_number(question, 5, name, &length), 0);
  CHECK_EQ(strcmp(name, "Internet Protocol version 6"), 0);
  length = sizeof name;
  CHECK_EQ(ASK(name, &length, 0, 5, 1, 1), -ENOENT);   // without a description
  // The whole tree, from one node to the next.
  int here[24] = {0, 2, 1};
  unsigned depth = 1, count = 0;
  for (;;) {
    int next[22];
    length = sizeof next;
    const long r = by_number(here, depth + 2, next, &length);
    if (r == -ENOENT) break;
    CHECK_EQ(r, 0);
    depth = (unsigned)(length / sizeof(int));
    CHECK(depth >= 2 && depth <= 22);
    memcpy(here + 2, next, length);
    ++count;
    static char value[1 << 20];
    length = sizeof value;
    const long got = by_number(here + 2, depth, value, &length);
    CHECK(got == 0 || got == -EINVAL || got == -EISDIR || got == -ENOENT);
  }
  CHECK(count > 300);
}
// libthr asks for these sizes before it asks for the affinity of a thread, and aborts if there is no answer.
CASE(processor_set_sizes) {
  unsigned char set[1024];
  for (int i = 0; i < 2; ++i) {
    int size = 0;
    size_t length = sizeof size;
    CHECK_EQ(by_name(i == 0 ? "kern.sched.cpusetsize" : "kern.sched.cpusetsizemin", &size, &length), 0);
    CHECK(size > 0 && (size_t)size <= sizeof set);
    CHECK_EQ(sys(SYS_cpuset_getaffinity, 3, 1, -1, size, set), 0);  // CPU_LEVEL_WHICH, CPU_WHICH_TID
  }
}
/// The machine's user time in hundredths of a second, as Linux counts it.
static long host_user_time(void) {
  char text[64] = {0};
  const long fd = sys(SYS_open, "/proc/stat", O_RDONLY, 0);
  CHECK(sys(SYS_read, fd, text, sizeof text - 1) > 5);
  CHECK_EQ(sys(SYS_close, fd), 0);
  long ticks = 0;
  for (const char* c = text + 5; *c >= '0' && *c <= '9'; ++c) ticks = ticks * 10 + *c - '0';
  return ticks;
}
CASE(processor_times) {
  int rate[5];   // hz, tick, spare, stathz, profhz
  size_t length = sizeof rate;
  CHECK_EQ(by_name("kern.clockrate", rate, &length), 0);
  long states[5];
  length = sizeof states;
  const long before = host_user_time();
  CHECK_EQ(by_name("kern.cp_time", states, &length), 0);
  const long after = host_user_time();
  CHECK(states[0] >= before * rate[3] / 100);   // counted in stathz
  CHECK(states[0] <= after * rate[3] / 100);
}
CASE(what_programs_ask) {
  static const struct { const char* name; size_t size; } numbers[] = {
      {"hw.ncpu", 4}, {"hw.physmem", 8}, {"hw.realmem", 8}, {"hw.pagesizes", 24}, {"kern.smp.cpus", 4}, {"kern.smp.maxid", 4}, {"vm.loadavg", 24},
      {"kern.sched.cpusetsize", 4}, {"kern.sched.cpusetsizemin", 4},
      {"kern.cp_time", 40}, {"kern.boottime", 16}, {"kern.clockrate", 20}, {"kern.maxfilesperproc", 4}, {"kern.ipc.soacceptqueue", 4}, {"kern.ipc.maxsockbuf", 8},
      {"kern.features.aio", 4}, {"vm.stats.vm.v_free_count", 4}, {"vm.stats.vm.v_laundry_count", 4}, {"vm.stats.sys.v_swtch", 4}, {"vm.overcommit", 4},
      {"net.inet.tcp.sendspace", 4}, {"net.inet.tcp.msl", 4}, {"net.inet.ip.portrange.first", 4}, {"net.inet6.ip6.v6only", 4}, {"vfs.aio.max_aio_queue", 4},
      {"security.jail.jailed", 4}, {"security.bsd.see_other_uids", 4}, {"p1003_1b.asynchronous_io", 4}, {"p1003_1b.aio_listio_max", 4}, {"user.stream_max", 4},
      {"machdep.tsc_freq", 8}, {"kern.ipc.shmmax", 8}, {"kern.ipc.semmni", 4}, {"kern.pid_max", 4}, {"kern.usrstack", 8}, {"kern.ps_strings", 8}, {"kern.osreldate", 4},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
    char value[256];
    size_t length = sizeof value;
    const long r = by_name(numbers[i].name, value, &length);
    if (r != 0 || length != numbers[i].size) say(numbers[i].name);
    CHECK_EQ(r, 0);
    CHECK_EQ(length, numbers[i].size);
  }
  int cpus = 0;
  size_t length = sizeof cpus;
  CHECK_EQ(by_name("hw.ncpu", &cpus, &length), 0);
  int only = 0;
  length = sizeof only;
  CHECK_EQ(by_name("net.inet6.ip6.v6only", &only, &length), 0);
  CHECK_EQ(only, 1);   // which is how sockets are made
  static long times[5 * 4096];
  length = sizeof times;
  CHECK_EQ(by_name("kern.cp_times", times, &length), 0);
  CHECK_EQ(length, (size_t)cpus * 40);
  unsigned char random[32] = {0};
  length = sizeof random;
  CHECK_EQ(ASK(random, &length, 1, 37), 0);
  CHECK_EQ(length, 32);
}
static size_t own(int what, void* to, size_t room) {
  size_t length = room;
  CHECK_EQ(ASK(to, &length, 1, 14, what, (int)sys(SYS_getpid)), 0);
  return length;
}
CASE(this_process) {
  static char text[65536];
  CHECK(own(7, text, sizeof text) > 0);   // args
  CHECK_EQ(strcmp(text, guest_argv[0]), 0);
  size_t length = own(35, text, sizeof text);   // env
  if (guest_envp[0] != 0) CHECK_EQ(strcmp(text, guest_envp[0]), 0);
  CHECK(length > 0 || guest_envp[0] == 0);
  unsigned long auxv[128];
  length = own(36, auxv, sizeof auxv);
  CHECK_EQ(memcmp(auxv, guest_auxv, length), 0);
  CHECK_EQ(auxv[length / 8 - 2], 0);
  CHECK(own(12, text, sizeof text) > 1);   // pathname
  CHECK_EQ(text[0], '/');
  sys(SYS_umask, 027);
  uint16_t mask = 0;
  CHECK_EQ(own(39, &mask, sizeof mask), 2);
  CHECK_EQ(mask, 027);
  int release = 0, osrel = 0;
  CHECK_EQ(own(40, &osrel, sizeof osrel), 4);
  length = sizeof release;
  CHECK_EQ(by_name("kern.osreldate", &release, &length), 0);
  CHECK_EQ(osrel, release);
  long limit[2], wanted[2];
  length = sizeof limit;
  CHECK_EQ(ASK(limit, &length, 1, 14, 37, (int)sys(SYS_getpid), 8), 0);   // RLIMIT_NOFILE
  CHECK_EQ(sys(SYS_getrlimit, 8, wanted), 0);
  CHECK_EQ(limit[0], wanted[0]);
  CHECK_EQ(limit[1], wanted[1]);
  CHECK_EQ(ASK(limit, &length, 1, 14, 37, (int)sys(SYS_getpid), 99), -EINVAL);
  CHECK_EQ(ASK(text, &length, 1, 14, 35, 99999999), -ESRCH);
  CHECK_EQ(ASK(text, &length, 1, 14, 35), -EINVAL);
  char record[1088];
  CHECK_EQ(own(1, record, sizeof record), 1088);   // pid
  CHECK_EQ(*(int*)(void*)(record + 72), sys(SYS_getpid));
  unsigned groups[64];
  CHECK(own(34, groups, sizeof groups) >= 4);
  CHECK_EQ(groups[0], sys(SYS_getegid));
}
struct file { int structsize, type, fd, ref_count, flags, pad; long offset; char about[304]; uint16_t status, pad1; int spare; char rights[24]; char path[1024]; };
_Static_assert(sizeof(struct file) == 1392, "struct kinfo_file");
CASE(open_files) {
  static char list[1 << 18];
  int fds[2];
  make_pipe(fds);
  const long fd = sys(SYS_openat, AT_FDCWD, "sysctl.tmp", O_RDWR | O_CREAT | O_APPEND, 0600);
  const long s = sys(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  CHECK_EQ(sys(SYS_lseek, fd, 77, 0), 77);
  const size_t length = own(33, list, sizeof list);
  int count = 0, found = 0;
  for (size_t at = 0; at < length;) {
    const struct file* f = (const struct file*)(const void*)(list + at);
    CHECK(f->structsize >= 376 && at + (size_t)f->structsize <= length);
    at += (size_t)f->structsize;
    if (f->fd >= 0) ++count;
    if (f->fd == -1) CHECK_EQ(f->path[0], '/');   // the working directory
    if (f->fd == fd) {
      ++found;
      CHECK_EQ(f->type, 1);
      CHECK_EQ(f->offset, 77);
      CHECK_EQ(f->flags, 7);
      CHECK_EQ(*(const int*)(const void*)f->about, 1);
    }
    if (f->fd == fds[0] || f->fd == fds[1]) {
      ++found;
      CHECK_EQ(f->type, 3);
    }
    if (f->fd == s) {
      ++found;
      CHECK_EQ(f->type, 2);
      CHECK_EQ(*(const int*)(const void*)(f->about + 4), AF_INET);
      CHECK_EQ(*(const int*)(const void*)(f->about + 8), SOCK_DGRAM);
    }
  }
  CHECK_EQ(found, 4);
  int nfds = 0;
  CHECK_EQ(own(43, &nfds, sizeof nfds), 4);
  CHECK(nfds == count || nfds + 1 == count);
  struct file cwd;
  char here[1024];
  CHECK_EQ(own(42, &cwd, sizeof cwd), sizeof cwd);
  CHECK_EQ(sys(SYS___getcwd, here, sizeof here), 0);
  CHECK_EQ(strcmp(cwd.path, here), 0);
  CHECK_EQ(sys(SYS_unlink, "sysctl.tmp"), 0);
}
CASE(mappings) {
  static char list[1 << 18];
  char* const block_of = map(3 * 4096);
  CHECK_EQ(sys(SYS_mprotect, block_of + 4096, 4096, PROT_READ), 0);
  const size_t length = own(32, list, sizeof list);
  bool found = false;
  for (size_t at = 0; at < length;) {
    const int* entry = (const int*)(const void*)(list + at);
    const unsigned long* range = (const unsigned long*)(const void*)(entry + 2);
    if (range[0] == (unsigned long)block_of + 4096 && range[1] == range[0] + 4096) {
      found = true;
      CHECK_EQ(entry[14], 1);   // protection
      CHECK_EQ(entry[1], 1);    // type
    }
    CHECK(entry[0] > 0);
    at += (size_t)entry[0];
  }
  CHECK(found);
}
CASE(processes) {
  static char list[1 << 21];
  size_t length = sizeof list;
  CHECK_EQ(ASK(list, &length, 1, 14, 0), 0);
  CHECK(length >= 1088 && length % 1088 == 0);
  bool found = false;
  for (size_t at = 0; at < length; at += 1088) found |= *(int*)(void*)(list + at + 72) == sys(SYS_getpid);
  CHECK(found);
  length = sizeof list;
  CHECK_EQ(ASK(list, &length, 1, 14, 5, (int)sys(SYS_geteuid)), 0);   // by user
  CHECK(length >= 1088);
  for (size_t at = 0; at < length; at += 1088) CHECK_EQ(*(int*)(void*)(list + at + 168), sys(SYS_geteuid));
  CHECK_EQ(ASK(list, &length, 1, 14, 5), -EINVAL);
  // libprocstat gives kern.proc.proc an argument, which says nothing; kern.proc.all takes none.
  const size_t bytes = sizeof list;
  length = bytes;
  CHECK_EQ(ASK(list, &length, 1, 14, 8, 0), 0);
  CHECK_EQ(ASK(list, &length, 1, 14, 8, 0, 0), -EINVAL);
  CHECK_EQ(ASK(list, &length, 1, 14, 0, 0), -EINVAL);
}
// What ps(1) and top(1) go by: it is in memory, and scheduled as most are; a leader of a session without a
// terminal has none.
CASE(process_flags) {
  char info[1088], name[32];
  size_t length = sizeof info;
  const long child = start_process();
  if (child == 0) {
    sys(SYS_setsid);
    const int self = (int)sys(SYS_getpid);
    CHECK_EQ(ASK(info, &length, 1, 14, 1, self), 0);
    const long flag = *(long*)(void*)(info + 368);
    CHECK_EQ(flag & 0x10000000, 0x10000000);                 // P_INMEM
    CHECK_EQ(flag & 2, 0);                                   // P_CONTROLT
    CHECK_EQ(*(long*)(void*)(info + 376) & 3, 2);            // KI_SLEADER without KI_CTTY
    CHECK_EQ((unsigned char)info[604], 3);                   // PRI_TIMESHARE
    length = sizeof info;
    CHECK_EQ(ASK(info, &length, 1, 14, 1, (int)sys(SYS_getppid)), 0);
    for (int i = 0; i < 1000 && (info[388] != 3 || (*(long*)(void*)(info + 1080) & 8) == 0); ++i) {
      sleep_ms(1);                                           // until the parent sleeps, and can be woken
      CHECK_EQ(ASK(info, &length, 1, 14, 1, (int)sys(SYS_getppid)), 0);
    }
    CHECK_EQ(info[388], 3);                                  // SSLEEP
    CHECK_EQ(*(long*)(void*)(info + 1080) & 8, 8);           // TDF_SINTR
    length = sizeof name;
    CHECK_EQ(ASK(name, &length, 1, 14, 9, self), 0);         // kern.proc.sv_name
    CHECK_EQ(strcmp(name, "FreeBSD ELF64"), 0);
    CHECK_EQ(length, 14);
    quit(0);
  }
  expect_exit(child, 0);
}
// getvfsbyname(3): the type of each file system that is mounted, in structures of 48 bytes.
CASE(types_of_file_systems) {
  static char types[1 << 14], mounts[2376 * 64];
  size_t length = sizeof types;
  CHECK_EQ(by_name("vfs.conflist", types, &length), 0);
  CHECK(length >= 48 && length % 48 == 0);
  const long count = sys(SYS_getfsstat, mounts, sizeof mounts, 2 /* MNT_NOWAIT */);
  CHECK(count > 0);
  for (long i = 0; i < count; ++i) {
    const char* const wanted = mounts + i * 2344 + 280;
    unsigned found = 0;
    for (size_t at = 0; at < length; at += 48) found += strcmp(types + at + 8, wanted) == 0;
    CHECK_EQ(found, 1);
  }
  int size = 0;
  length = sizeof size;
  CHECK_EQ(by_name("kern.sched.cpusetsize", &size, &length), 0);   // libthr ends without it
  CHECK_EQ(size, 128);
}
// Every message is as long as it says, and its addresses are the ones its bits name.
static unsigned walk(const char* list, size_t length, int header_at, unsigned* addresses) {
  unsigned interfaces = 0;
  for (size_t at = 0; at < length;) {
    const char* m = list + at;
    const uint16_t size = *(const uint16_t*)(const void*)m;
    const unsigned char type = (unsigned char)m[3];
    CHECK(size >= 4 && at + size <= length && size % 8 == 0);
    CHECK_EQ(m[2], 5);   // RTM_VERSION
    size_t from = type == 0xe ? (header_at ? 176 : 168) : (header_at ? 176 : 20);
    if (header_at) CHECK_EQ(*(const uint16_t*)(const void*)(m + 16), from);
    const int bits = *(const int*)(const void*)(m + 4);
    for (int i = 0; i < 8; ++i) {
      if ((bits >> i & 1) == 0) continue;
      const unsigned char sa = (unsigned char)m[from], family = (unsigned char)m[from + 1];
      CHECK(from + sa <= size);
      CHECK(family == 2 || family == 18 || family == 28);
      CHECK(sa == (family == 2 ? 16 : family == 28 ? 28 : sa));
      if (type == 0xe) CHECK_EQ(family, 18);
      from += (size_t)((sa + 7) & ~7);
    }
    CHECK_EQ((from + 7) & ~7UL, size);
    if (type == 0xe) ++interfaces;
    if (type == 0xc) ++*addresses;
    at += size;
  }
  return interfaces;
}
CASE(interfaces_and_routes) {
  static char list[1 << 18];
  unsigned addresses = 0, again = 0;
  size_t length = sizeof list;
  CHECK_EQ(ASK(list, &length, 4, 17, 0, 0, 3, 0), 0);
  const unsigned interfaces = walk(list, length, 0, &addresses);
  CHECK(interfaces >= 1);
  length = sizeof list;
  CHECK_EQ(ASK(list, &length, 4, 17, 0, 0, 5, 0), 0);
  CHECK_EQ(walk(list, length, 1, &again), interfaces);
  CHECK_EQ(again, addresses);
  length = sizeof list;
  CHECK_EQ(ASK(list, &length, 4, 17, 0, 2, 1, 0), 0);
  length = sizeof list;
  CHECK_EQ(ASK(list, &length, 4, 17, 0, 0, 99, 0), -EINVAL);
}
