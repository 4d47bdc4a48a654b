// Socket and terminal calls of FreeBSD, carried out by the host's kernel.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>

#include "abi/bsd/ioctl_layout.hpp"
#include "abi/bsd/sockets_layout.hpp"
#include "abi/builtin.hpp"
#include "abi/personality.hpp"
#include "tests/abi/real_host.hpp"

using namespace sudrun::abi;
using namespace sudrun::test;
namespace layout = sudrun::abi::bsd::guest;

namespace {

// FreeBSD's numbers.
constexpr int kInet = 2, kInet6 = 28, kUnix = 1, kRoute = 17;
constexpr int kStream = 1, kDgram = 2, kCloexec = 0x10000000, kNonblock = 0x20000000;
constexpr int kSocketLevel = 0xffff, kTcp = 6, kIpv6 = 41;
constexpr int kNosignal = 0x20000, kDontwait = 0x80, kCtrunc = 0x20, kCmsgCloexec = 0x40000;

Word word(const void* address) { return reinterpret_cast<Word>(address); }
Word word(int value) { return static_cast<Word>(static_cast<std::uint32_t>(value)); }

struct World {
  Table table = builtin_table("freebsd-amd64").value();
  std::unique_ptr<Personality> personality = make_personality("freebsd");
  RealHost host;
  GuestArena arena;

  World() { personality->bind(table); }

  Result run(std::string_view name, std::initializer_list<Word> args) {
    Frame frame;
    std::copy(args.begin(), args.end(), frame.args.begin());
    for (const HandlerEntry& entry : handlers_of("freebsd")) {
      if (entry.name != name) continue;
      Call call{host, *personality, table, table.entry(0), frame};
      return entry.handler(call);
    }
    throw std::runtime_error("no such handler");
  }
  int ok(std::string_view name, std::initializer_list<Word> args) {
    const Result result = run(name, args);
    INFO(name << " failed with " << result.value());
    REQUIRE(result.is_ok());
    return static_cast<int>(result.value());
  }
  template <typename T>
  T* make(std::size_t count = 1) {
    return arena.make<T>(count);
  }

  int get(int socket, int level, int name) {
    auto* value = make<int>();
    auto* size = make<std::uint32_t>();
    *size = sizeof *value;
    ok("getsockopt", {word(socket), word(level), word(name), word(value), word(size)});
    return *value;
  }
  Result set(int socket, int level, int name, int value) {
    auto* at = make<int>();
    *at = value;
    return run("setsockopt", {word(socket), word(level), word(name), word(at), sizeof *at});
  }
  layout::SockaddrIn* loopback() {
    auto* address = make<layout::SockaddrIn>();
    address->sin_family = kInet;
    address->sin_addr = {127, 0, 0, 1};
    return address;
  }
  /// A message over one buffer, with room for control data.
  layout::Msghdr* message(void* buffer, std::size_t size, void* control, std::uint32_t room) {
    auto* iov = make<layout::Iovec>();
    *iov = {word(buffer), size};
    auto* m = make<layout::Msghdr>();
    m->msg_iov = word(iov);
    m->msg_iovlen = 1;
    m->msg_control = word(control);
    m->msg_controllen = room;
    return m;
  }
};

/// A connected TCP pair on the loopback address.
struct TcpPair {
  explicit TcpPair(World& w, int listener_flags = 0) {
    listener = w.ok("socket", {word(kInet), word(kStream | listener_flags), 0});
    w.ok("bind", {word(listener), word(w.loopback()), sizeof(layout::SockaddrIn)});
    REQUIRE(listen(listener, 4) == 0);
    auto* address = w.make<layout::SockaddrIn>();
    auto* size = w.make<std::uint32_t>();
    *size = sizeof *address;
    w.ok("getsockname", {word(listener), word(address), word(size)});
    client = w.ok("socket", {word(kInet), word(kStream), 0});
    w.ok("connect", {word(client), word(address), *size});
    server = w.ok("accept", {word(listener), 0, 0});
  }
  ~TcpPair() {
    for (const int fd : {listener, client, server}) close(fd);
  }
  TcpPair(const TcpPair&) = delete;
  TcpPair& operator=(const TcpPair&) = delete;
  int listener, client, server;
};

volatile std::sig_atomic_t broken_pipes = 0;

}  // namespace

TEST_CASE("socket names are cut to the room given and the length is what was written") {
  World w;
  const int s = w.ok("socket", {word(kInet), word(kStream), 0});
  w.ok("bind", {word(s), word(w.loopback()), 16});
  auto* name = w.make<layout::SockaddrIn>();
  auto* size = w.make<std::uint32_t>();
  *size = 100;
  w.ok("getsockname", {word(s), word(name), word(size)});
  CHECK(*size == 16);
  CHECK(name->sin_len == 16);
  CHECK(name->sin_family == kInet);
  *size = 4;
  w.ok("getsockname", {word(s), word(name), word(size)});
  CHECK(*size == 4);
  CHECK(w.run("bind", {word(s), word(w.loopback()), 15}).is_native_error(EINVAL));
  CHECK(w.run("getpeername", {word(s), word(name), word(size)}).is_native_error(ENOTCONN));
  close(s);
}

TEST_CASE("accept passes the listener's O_NONBLOCK on, accept4 does not") {
  World w;
  TcpPair pair(w);
  CHECK((fcntl(pair.server, F_GETFL) & O_NONBLOCK) == 0);
  fcntl(pair.listener, F_SETFL, O_NONBLOCK);
  CHECK(w.run("accept", {word(pair.listener), 0, 0}).is_native_error(EAGAIN));

  auto* address = w.make<layout::SockaddrIn>();
  auto* size = w.make<std::uint32_t>();
  *size = 16;
  w.ok("getsockname", {word(pair.listener), word(address), word(size)});
  for (const bool plain : {true, false}) {
    const int c = w.ok("socket", {word(kInet), word(kStream), 0});
    w.ok("connect", {word(c), word(address), 16});
    const int s = plain ? w.ok("accept", {word(pair.listener), 0, 0})
                        : w.ok("accept4", {word(pair.listener), 0, 0, word(kCloexec)});
    CHECK(((fcntl(s, F_GETFL) & O_NONBLOCK) != 0) == plain);
    CHECK(((fcntl(s, F_GETFD) & FD_CLOEXEC) != 0) == !plain);
    close(c);
    close(s);
  }
}

TEST_CASE("kinds of socket that do not exist fail as on FreeBSD") {
  World w;
  auto* pair = w.make<int>(2);
  CHECK(w.run("socket", {word(kRoute), 3, 0}).is_native_error(EAFNOSUPPORT));
  CHECK(w.run("socket", {word(kInet), 9, 0}).is_native_error(EPROTOTYPE));
  CHECK(w.run("socket", {word(kInet), 0, 0}).is_native_error(EPROTOTYPE));
  CHECK(w.run("socketpair", {word(kInet), word(kStream), 0, word(pair)}).is_native_error(EOPNOTSUPP));
  CHECK(w.run("socketpair", {word(kUnix), word(kStream), 0, ~Word{0}}).is_native_error(EFAULT));
}

TEST_CASE("IPv6 sockets start without an IPv4 side") {
  World w;
  const Result made = w.run("socket", {word(kInet6), word(kStream), 0});
  if (!made.is_ok()) return;  // a host without IPv6
  const int s = static_cast<int>(made.value());
  CHECK(w.get(s, kIpv6, 27) == 1);
  close(s);
}

TEST_CASE("options have FreeBSD's numbers and values") {
  World w;
  TcpPair pair(w);
  const int s = pair.client;
  CHECK(w.get(s, kSocketLevel, 0x1008) == kStream);
  CHECK(w.get(s, kSocketLevel, 0x1019) == kInet);
  CHECK(w.get(s, kSocketLevel, 4) == 0);
  REQUIRE(w.set(s, kSocketLevel, 4, 1).is_ok());
  CHECK(w.get(s, kSocketLevel, 4) == 4);
  REQUIRE(w.set(s, kSocketLevel, 0x1002, 32768).is_ok());
  CHECK(w.get(s, kSocketLevel, 0x1002) == 32768);
  CHECK(w.set(s, kSocketLevel, 0x1002, 0).is_native_error(EINVAL));
  REQUIRE(w.set(s, kTcp, 256, 15).is_ok());
  CHECK(w.get(s, kTcp, 256) == 15);
  REQUIRE(w.set(s, 0, 4, 33).is_ok());
  CHECK(w.get(s, 0, 4) == 33);
  REQUIRE(w.set(s, 0, 67, 1).is_ok());
  CHECK(w.get(s, 0, 67) == 1);
  CHECK(w.set(s, 0, 19, 1).is_ok());
  CHECK(w.set(s, kSocketLevel, 0x20000, 1).is_native_error(ENOPROTOOPT));
  CHECK(w.set(s, kSocketLevel, 0x1000, 1).is_native_error(ENOENT));
  CHECK(w.set(s, kSocketLevel, 0x80, 1).is_native_error(EINVAL));
  CHECK(w.set(s, 999, 1, 1).is_native_error(EINVAL));
  CHECK(w.set(999, kSocketLevel, 4, 1).is_native_error(EBADF));

  auto* info = w.make<layout::TcpInfo>();
  auto* size = w.make<std::uint32_t>();
  *size = 1000;
  w.ok("getsockopt", {word(s), word(kTcp), 32, word(info), word(size)});
  CHECK(*size == sizeof *info);
  CHECK(info->tcpi_state == 4);
}

TEST_CASE("SO_ERROR is an errno of FreeBSD") {
  World w;
  const int s = w.ok("socket", {word(kInet), word(kStream | kNonblock), 0});
  auto* closed = w.loopback();
  closed->sin_port = htons(1);
  const Result result = w.run("connect", {word(s), word(closed), 16});
  if (result.is_native_error(EINPROGRESS)) {
    usleep(50'000);
    CHECK(w.get(s, kSocketLevel, 0x1007) == 61);
  }
  close(s);
}

TEST_CASE("a broken pipe raises SIGPIPE unless the call or the socket says not to") {
  World w;
  auto* pair = w.make<int>(2);
  w.ok("socketpair", {word(kUnix), word(kStream), 0, word(pair)});
  close(pair[1]);
  broken_pipes = 0;
  const auto former = std::signal(SIGPIPE, [](int) { broken_pipes = broken_pipes + 1; });
  auto* byte = w.make<char>();
  CHECK(w.run("sendto", {word(pair[0]), word(byte), 1, word(kNosignal), 0, 0}).is_native_error(EPIPE));
  CHECK(broken_pipes == 0);
  REQUIRE(w.set(pair[0], kSocketLevel, 0x800, 1).is_ok());
  CHECK(w.get(pair[0], kSocketLevel, 0x800) == 0x800);
  CHECK(w.run("sendto", {word(pair[0]), word(byte), 1, 0, 0, 0}).is_native_error(EPIPE));
  CHECK(broken_pipes == 0);
  REQUIRE(w.set(pair[0], kSocketLevel, 0x800, 0).is_ok());
  CHECK(w.run("sendto", {word(pair[0]), word(byte), 1, 0, 0, 0}).is_native_error(EPIPE));
  // RealHost has no identity of its own to send the signal to.
  CHECK(broken_pipes == (w.host.tid() == gettid() ? 1 : 0));
  std::signal(SIGPIPE, former);
  close(pair[0]);
}

TEST_CASE("a datagram brings its sender and what was asked for about its way") {
  World w;
  const int s = w.ok("socket", {word(kInet), word(kDgram), 0});
  auto* address = w.loopback();
  w.ok("bind", {word(s), word(address), 16});
  auto* size = w.make<std::uint32_t>();
  *size = 16;
  w.ok("getsockname", {word(s), word(address), word(size)});
  for (const int option : {7, 20, 65, 68}) REQUIRE(w.set(s, 0, option, 1).is_ok());
  REQUIRE(w.set(s, kSocketLevel, 0x400, 1).is_ok());

  auto* buffer = w.make<char>(16);
  CHECK(w.ok("sendto", {word(s), word(buffer), 3, 0, word(address), 16}) == 3);
  auto* control = w.make<std::byte>(512);
  auto* m = w.message(buffer, 16, control, 512);
  auto* from = w.make<layout::SockaddrIn>();
  m->msg_name = word(from);
  m->msg_namelen = 16;
  CHECK(w.ok("recvmsg", {word(s), word(m), 0}) == 3);
  CHECK(m->msg_namelen == 16);
  CHECK(from->sin_port == address->sin_port);
  CHECK(m->msg_flags == 0);
  std::set<std::pair<int, int>> types;
  for (std::size_t at = 0; at + sizeof(layout::Cmsghdr) <= m->msg_controllen;) {
    const auto* header = reinterpret_cast<const layout::Cmsghdr*>(control + at);
    types.emplace(header->cmsg_level, header->cmsg_type);
    at += layout::cmsg_align(header->cmsg_len);
  }
  CHECK(types == std::set<std::pair<int, int>>{{0, 7}, {0, 20}, {0, 65}, {0, 68}, {kSocketLevel, 2}});
  CHECK(w.run("recvmsg", {word(s), word(m), word(kDontwait)}).is_native_error(EAGAIN));
  close(s);
}

TEST_CASE("connecting a datagram socket to nothing dissolves its association") {
  World w;
  const int s = w.ok("socket", {word(kInet), word(kDgram), 0});
  auto* address = w.loopback();
  address->sin_port = htons(9);
  w.ok("connect", {word(s), word(address), 16});
  auto* nothing = w.make<layout::SockaddrIn>();
  CHECK(w.run("connect", {word(s), word(nothing), 16}).is_native_error(EAFNOSUPPORT));
  auto* size = w.make<std::uint32_t>();
  *size = 16;
  CHECK(w.run("getpeername", {word(s), word(address), word(size)}).is_native_error(ENOTCONN));
  close(s);
}

TEST_CASE("memory that is not the guest's is EFAULT") {
  World w;
  auto* pair = w.make<int>(2);
  w.ok("socketpair", {word(kUnix), word(kDgram), 0, word(pair)});
  int host_memory = 0;
  CHECK(w.run("recvfrom", {word(pair[0]), word(&host_memory), 4, word(kDontwait), 0, 0})
            .is_native_error(EFAULT));
  CHECK(w.run("sendto", {word(pair[0]), word(&host_memory), 4, 0, 0, 0}).is_native_error(EFAULT));
  auto* m = w.message(&host_memory, 4, nullptr, 0);
  CHECK(w.run("recvmsg", {word(pair[0]), word(m), word(kDontwait)}).is_native_error(EFAULT));
  CHECK(w.run("sendmsg", {word(pair[0]), word(m), 0}).is_native_error(EFAULT));
  m->msg_iovlen = 1025;
  CHECK(w.run("sendmsg", {word(pair[0]), word(m), 0}).is_native_error(EMSGSIZE));
  CHECK(w.run("recvmsg", {word(pair[0]), 8, 0}).is_native_error(EFAULT));
  close(pair[0]);
  close(pair[1]);
}

TEST_CASE("local sockets: paths below a descriptor, nameless peers, credentials, passed descriptors") {
  World w;
  std::string directory = "/tmp/sudrun-sockets-XXXXXX";
  REQUIRE(mkdtemp(directory.data()) != nullptr);
  const int d = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto* name = w.make<layout::SockaddrUn>();
  name->sun_family = kUnix;
  name->sun_path[0] = 's';
  const int l = w.ok("socket", {word(kUnix), word(kStream), 0});
  CHECK(w.run("bindat", {word(999), word(l), word(name), 106}).is_native_error(EBADF));
  w.ok("bindat", {word(d), word(l), word(name), 106});
  REQUIRE(listen(l, 3) == 0);
  CHECK(access((directory + "/s").c_str(), F_OK) == 0);
  const int c = w.ok("socket", {word(kUnix), word(kStream), 0});
  w.ok("connectat", {word(d), word(c), word(name), 106});

  auto* size = w.make<std::uint32_t>();
  *size = 106;
  const int s = w.ok("accept", {word(l), word(name), word(size)});
  CHECK(*size == 16);
  CHECK(name->sun_len == 16);

  auto* credentials = w.make<layout::Xucred>();
  *size = 200;
  w.ok("getsockopt", {word(c), 0, 1, word(credentials), word(size)});
  CHECK(*size == sizeof *credentials);
  CHECK(credentials->cr_uid == geteuid());
  CHECK(credentials->cr_pid == getpid());
  CHECK(w.run("getsockopt", {word(l), 0, 77, word(credentials), word(size)}).is_native_error(ENOPROTOOPT));

  REQUIRE(w.set(s, 0, 3, 1).is_ok());
  CHECK(w.get(s, 0, 3) == 1);
  CHECK(w.get(s, 0, 2) == 0);
  auto* control = w.make<std::byte>(512);
  auto* byte = w.make<char>();
  auto* m = w.message(byte, 1, control, 24);
  *reinterpret_cast<layout::Cmsghdr*>(control) = {20, kSocketLevel, 1};
  std::memcpy(control + 16, &d, sizeof d);
  w.ok("sendmsg", {word(c), word(m), 0});
  m->msg_controllen = 512;
  m->msg_name = word(name);
  m->msg_namelen = 106;
  CHECK(w.ok("recvmsg", {word(s), word(m), word(kCmsgCloexec)}) == 1);
  CHECK(m->msg_namelen == 0);
  const auto* first = reinterpret_cast<const layout::Cmsghdr*>(control);
  CHECK(first->cmsg_type == 8);
  const std::byte* second = control + layout::cmsg_align(first->cmsg_len);
  CHECK(reinterpret_cast<const layout::Cmsghdr*>(second)->cmsg_type == 1);
  int passed = -1;
  std::memcpy(&passed, second + 16, sizeof passed);
  CHECK((fcntl(passed, F_GETFD) & FD_CLOEXEC) != 0);
  for (const int fd : {passed, s, c, l, d}) close(fd);
  unlink((directory + "/s").c_str());
  rmdir(directory.c_str());
}

TEST_CASE("a nameless sender of a local datagram has the nameless address") {
  World w;
  auto* pair = w.make<int>(2);
  w.ok("socketpair", {word(kUnix), word(kDgram), 0, word(pair)});
  auto* byte = w.make<char>();
  w.ok("sendto", {word(pair[0]), word(byte), 1, 0, 0, 0});
  auto* name = w.make<layout::SockaddrUn>();
  auto* size = w.make<std::uint32_t>();
  *size = 106;
  w.ok("recvfrom", {word(pair[1]), word(byte), 1, 0, word(name), word(size)});
  CHECK(*size == 16);
  CHECK(name->sun_family == kUnix);
  close(pair[0]);
  close(pair[1]);
}

TEST_CASE("descriptors a receiver has no room for are closed") {
  World w;
  auto* pair = w.make<int>(2);
  w.ok("socketpair", {word(kUnix), word(kDgram), 0, word(pair)});
  auto* control = w.make<std::byte>(64);
  auto* byte = w.make<char>();
  auto* m = w.message(byte, 1, control, 24);
  *reinterpret_cast<layout::Cmsghdr*>(control) = {24, kSocketLevel, 1};
  const int two[2] = {pair[0], pair[1]};
  std::memcpy(control + 16, two, sizeof two);
  w.ok("sendmsg", {word(pair[0]), word(m), 0});
  const int lowest = dup(pair[0]);
  close(lowest);
  m->msg_controllen = 8;
  w.ok("recvmsg", {word(pair[1]), word(m), 0});
  CHECK((m->msg_flags & kCtrunc) != 0);
  CHECK(m->msg_controllen == 0);
  const int again = dup(pair[0]);
  CHECK(again == lowest);
  close(again);
  close(pair[0]);
  close(pair[1]);
}

TEST_CASE("a pseudo-terminal is opened, named, configured and read") {
  using layout::Ioctl;
  World w;
  const auto request = [](Ioctl r) { return static_cast<Word>(r); };
  CHECK(w.run("posix_openpt", {2 | 4}).is_native_error(EINVAL));
  const Result opened = w.run("posix_openpt", {2 | 0x8000 | 0x100000});
  if (!opened.is_ok()) return;  // a host without devpts
  const int m = static_cast<int>(opened.value());
  w.ok("ioctl", {word(m), request(Ioctl::tiocptmaster), 0});
  auto* name = w.make<char>(64);
  auto* wanted = w.make<layout::FiodgnameArg>();
  *wanted = {64, 0, word(name)};
  w.ok("ioctl", {word(m), request(Ioctl::fiodgname), word(wanted)});
  REQUIRE(std::string(name).starts_with("pts/"));
  wanted->len = 2;
  CHECK(w.run("ioctl", {word(m), request(Ioctl::fiodgname), word(wanted)}).is_native_error(EINVAL));

  const int s = open((std::string("/dev/") + name).c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(s >= 0);
  auto* t = w.make<layout::Termios>();
  w.ok("ioctl", {word(s), request(Ioctl::tiocgeta), word(t)});
  CHECK((t->c_lflag & 0x108) == 0x108);
  t->c_lflag &= ~0x8u;
  t->c_ispeed = t->c_ospeed = 76800;
  w.ok("ioctl", {word(s), request(Ioctl::tiocsetaw), word(t)});
  w.ok("ioctl", {word(s), request(Ioctl::tiocgeta), word(t)});
  CHECK((t->c_lflag & 0x108) == 0x100);
  CHECK(t->c_ospeed == 76800);

  auto* size = w.make<layout::Winsize>();
  size->ws_row = 40;
  w.ok("ioctl", {word(m), request(Ioctl::tiocswinsz), word(size)});
  size->ws_row = 0;
  w.ok("ioctl", {word(s), request(Ioctl::tiocgwinsz), word(size)});
  CHECK(size->ws_row == 40);

  auto* value = w.make<int>();
  w.ok("ioctl", {word(s), request(Ioctl::fiodtype), word(value)});
  CHECK(*value == layout::kDeviceTty);
  *value = 1;
  w.ok("ioctl", {word(s), request(Ioctl::fionbio), word(value)});
  CHECK((fcntl(s, F_GETFL) & O_NONBLOCK) != 0);
  CHECK(w.run("ioctl", {word(s), request(Ioctl::tiocgeta), ~Word{0}}).is_native_error(EFAULT));
  CHECK(w.run("ioctl", {word(s), 0x12345678, 0}).is_native_error(ENOTTY));
  close(s);
  close(m);
}

TEST_CASE("terminal requests on other files are ENOTTY, on no file EBADF") {
  using layout::Ioctl;
  World w;
  auto* t = w.make<layout::Termios>();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  CHECK(w.run("ioctl", {word(null), static_cast<Word>(Ioctl::tiocgeta), word(t)}).is_native_error(ENOTTY));
  CHECK(w.run("ioctl", {word(null), static_cast<Word>(Ioctl::tiocptmaster), 0}).is_native_error(ENOTTY));
  close(null);
  CHECK(w.run("ioctl", {word(null), static_cast<Word>(Ioctl::tiocgeta), word(t)}).is_native_error(EBADF));
  CHECK(w.run("ioctl", {word(null), 0x12345678, 0}).is_native_error(EBADF));
}
