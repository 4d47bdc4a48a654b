// Pseudo-terminals and the ioctl requests of descriptors and interfaces.
#include "guest.h"

enum { O_NOCTTY = 0x8000, ICANON = 0x100, ECHO = 8, OPOST = 1 };
enum {
  TIOCGPTN = 0x4004740f, TIOCPTMASTER = 0x2000741c, TIOCGETA = 0x402c7413, TIOCGWINSZ = 0x40087468, TIOCGPGRP = 0x40047477, TIOCGSID = 0x40047463, TIOCOUTQ = 0x40047473,
  TIOCSCTTY = 0x20007461, TIOCNOTTY = 0x20007471, TIOCDRAIN = 0x2000745e, TIOCSTOP = 0x2000746f, TIOCSTART = 0x2000746e, TIOCSTAT = 0x20007465, FIODTYPE = 0x4004667a, FIONREAD = 0x4004667f,
  FIONWRITE = 0x40046677, FIONSPACE = 0x40046676, FIOGETOWN = 0x4004667b, FIOCLEX = 0x20006601, FIONCLEX = 0x20006602, TIOCGDRAINWAIT = 0x40047456,
};
static const unsigned TIOCSETA = 0x802c7414, TIOCSETAW = 0x802c7415, TIOCSETAF = 0x802c7416, TIOCSWINSZ = 0x80087467, TIOCSPGRP = 0x80047476, TIOCFLUSH = 0x80047410, TIOCPKT = 0x80047470,
                      FIODGNAME = 0x80106678, FIONBIO = 0x8004667e, FIOASYNC = 0x8004667d, FIOSETOWN = 0x8004667c, FIOSEEKDATA = 0xc0086661, FIOSEEKHOLE = 0xc0086662,
                      SIOCGIFCONF = 0xc0106924, SIOCGIFFLAGS = 0xc0206911, SIOCGIFADDR = 0xc0206921, SIOCGIFNETMASK = 0xc0206925, SIOCGIFMTU = 0xc0206933, SIOCGIFINDEX = 0xc0206920, SIOCSIFMTU = 0x80206934;
struct termios { unsigned iflag, oflag, cflag, lflag; unsigned char cc[20]; unsigned ispeed, ospeed; };
struct winsize { unsigned short rows, columns, x, y; };

static long open_pair(long* slave) {
  const long master = sys(SYS_posix_openpt, O_RDWR | O_NOCTTY);
  CHECK(master >= 0);
  CHECK_EQ(sys(SYS_ioctl, master, TIOCPTMASTER, 0), 0);
  char name[32] = "/dev/";
  struct { int length, pad; char* buffer; } request = {32 - 5, 0, name + 5};
  CHECK_EQ(sys(SYS_ioctl, master, FIODGNAME, &request), 0);
  int index = -1;
  char wanted[32] = "/dev/pts/";
  CHECK_EQ(sys(SYS_ioctl, master, TIOCGPTN, &index), 0);
  char digits[24];
  CHECK_EQ(strcmp(name, join(wanted, wanted, number(digits, (unsigned long)index))), 0);
  *slave = sys(SYS_open, name, O_RDWR | O_NOCTTY);
  CHECK(*slave >= 0);
  return master;
}
CASE(attributes) {
  long slave;
  const long master = open_pair(&slave);
  struct termios t, u;
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
  CHECK(t.lflag & ICANON);
  CHECK(t.lflag & ECHO);
  t.lflag &= ~(unsigned)(ICANON | ECHO);
  t.oflag &= ~(unsigned)OPOST;
  t.cc[16] = 1;   // VMIN
  t.cc[17] = 0;   // VTIME
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETA, &t), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &u), 0);
  CHECK_EQ(u.lflag & (ICANON | ECHO), 0);
  CHECK_EQ(u.cc[16], 1);
  CHECK_EQ(sys(SYS_write, master, "a", 1), 1);
  char c = 0;
  CHECK_EQ(sys(SYS_read, slave, &c, 1), 1);
  CHECK_EQ(c, 'a');
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETAW, &t), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETAF, &t), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, 8), -EFAULT);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETA, 8), -EFAULT);
  CHECK_EQ(sys(SYS_ioctl, 999, TIOCGETA, &t), -EBADF);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_ioctl, fds[0], TIOCGETA, &t), -ENOTTY);
  CHECK_EQ(sys(SYS_ioctl, slave, 0x12345678, &t), -ENOTTY);
}
CASE(sizes_queues_and_flow) {
  long slave;
  const long master = open_pair(&slave);
  struct winsize w = {40, 100, 1, 2}, got = {0, 0, 0, 0};
  CHECK_EQ(sys(SYS_ioctl, master, TIOCSWINSZ, &w), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCGWINSZ, &got), 0);
  CHECK_EQ(memcmp(&w, &got, sizeof w), 0);
  int n = 0, both = 0;
  CHECK_EQ(sys(SYS_write, slave, "abc", 3), 3);
  CHECK_EQ(sys(SYS_ioctl, master, FIONREAD, &n), 0);
  CHECK_EQ(n, 3);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCOUTQ, &n), 0);
  CHECK_EQ(sys(SYS_ioctl, master, TIOCFLUSH, &both), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCDRAIN, 0), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCSTOP, 0), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCSTART, 0), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCSTAT, 0), 0);
  CHECK_EQ(sys(SYS_ioctl, slave, TIOCGDRAINWAIT, &n), 0);
  CHECK_EQ(n, 300);
  n = 1;
  CHECK_EQ(sys(SYS_ioctl, master, TIOCPKT, &n), 0);
  CHECK_EQ(sys(SYS_write, slave, "x", 1), 1);
  char text[8];
  CHECK(sys(SYS_read, master, text, 8) >= 1);
  CHECK_EQ(sys(SYS_ioctl, slave, FIODTYPE, &n), 0);
  CHECK_EQ(n, 4);   // D_TTY
}
CASE(controlling_terminal) {
  const long pid = start_process();
  if (pid == 0) {
    long slave;
    const long master = open_pair(&slave);
    CHECK(sys(SYS_setsid) > 0);
    int id = 0;
    CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
    CHECK_EQ(sys(SYS_ioctl, slave, TIOCGSID, &id), 0);
    CHECK_EQ(id, sys(SYS_getpid));
    CHECK_EQ(sys(SYS_ioctl, slave, TIOCGPGRP, &id), 0);
    CHECK_EQ(id, sys(SYS_getpid));
    CHECK_EQ(sys(SYS_ioctl, slave, TIOCSPGRP, &id), 0);
    const long tty = sys(SYS_open, "/dev/tty", O_RDWR);
    CHECK(tty >= 0);
    set_handler(SIGINT, SIG_IGN, 0);
    CHECK_EQ(sys(SYS_write, master, "\003", 1), 1);   // ^C
    set_handler(SIGHUP, SIG_IGN, 0);
    CHECK_EQ(sys(SYS_ioctl, tty, TIOCNOTTY, 0), 0);
    quit(0);
  }
  expect_exit(pid, 0);
}
CASE(descriptors) {
  int fds[2], n = 1;
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIONBIO, &n), 0);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIOASYNC, &n), 0);
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIOCLEX, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_GETFD), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIONCLEX, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_GETFD), 0);
  n = (int)sys(SYS_getpid);
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIOSETOWN, &n), 0);
  n = 0;
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIOGETOWN, &n), 0);
  CHECK_EQ(n, sys(SYS_getpid));
  int space = 0;
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIONSPACE, &space), 0);
  CHECK(space > 1000);
  CHECK_EQ(sys(SYS_write, fds[1], "12345", 5), 5);
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIONREAD, &n), 0);
  CHECK_EQ(n, 5);
  CHECK_EQ(sys(SYS_ioctl, fds[1], FIONWRITE, &n), 0);
  CHECK(n > 0);
  CHECK_EQ(sys(SYS_ioctl, fds[0], FIONREAD, 8), -EFAULT);
  const long fd = sys(SYS_openat, AT_FDCWD, "holes.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK_EQ(sys(SYS_pwrite, fd, "x", 1, 0), 1);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 0), 0);
  long offset = 0;
  CHECK_EQ(sys(SYS_ioctl, fd, FIOSEEKHOLE, &offset), 0);
  CHECK(offset >= 1);
  offset = 0;
  CHECK_EQ(sys(SYS_ioctl, fd, FIOSEEKDATA, &offset), 0);
  CHECK_EQ(offset, 0);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 1), 0);
  CHECK_EQ(sys(SYS_unlink, "holes.tmp"), 0);
  static const char* const devices[] = {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx"};
  for (int i = 0; i < 5; ++i) {
    const long d = sys(SYS_open, devices[i], O_RDWR);
    CHECK(d >= 0);
    char name[32];
    struct { int length, pad; char* buffer; } request = {32, 0, name};
    CHECK_EQ(sys(SYS_ioctl, d, FIODGNAME, &request), 0);
    if (i < 4) CHECK_EQ(strcmp(name, devices[i] + 5), 0);
    request.length = 2;
    CHECK_EQ(sys(SYS_ioctl, d, FIODGNAME, &request), -EINVAL);
  }
}
struct ifreq { char name[16]; union { struct sockaddr_in address; int number; } value; };
_Static_assert(sizeof(struct ifreq) == 32, "struct ifreq");
CASE(interfaces) {
  const long s = sys(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  struct ifreq r = {"lo", {{0}}};
  CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFINDEX, &r), 0);
  CHECK(r.value.number >= 1);
  CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFFLAGS, &r), 0);
  CHECK(r.value.number & 8);   // IFF_LOOPBACK
  CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFMTU, &r), 0);
  CHECK(r.value.number >= 1280);
  if ((sys(SYS_ioctl, s, SIOCGIFADDR, &r)) == 0) {
    CHECK_EQ(r.value.address.sin_len, 16);
    CHECK_EQ(r.value.address.sin_family, AF_INET);
    CHECK_EQ(r.value.address.sin_addr, 0x0100007f);
    CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFNETMASK, &r), 0);
    CHECK_EQ(r.value.address.sin_addr, 0x000000ff);
    static char list[8192];
    struct { int length, pad; char* buffer; } all = {sizeof list, 0, list};
    CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFCONF, &all), 0);
    bool link = false, address = false;
    for (int at = 0; at < all.length;) {
      const unsigned char length = (unsigned char)list[at + 16], family = (unsigned char)list[at + 17];
      link |= family == 18;
      address |= family == AF_INET && memcmp(list + at + 20, "\x7f\0\0\1", 4) == 0;
      at += 16 + (length > 16 ? length : 16);
    }
    CHECK(link && address);
  }
  CHECK_EQ(sys(SYS_ioctl, s, SIOCSIFMTU, &r), -EPERM);
  CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFMTU, 8), -EFAULT);
  struct ifreq none = {"nosuch9", {{0}}};
  CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFMTU, &none), -ENXIO);
}
