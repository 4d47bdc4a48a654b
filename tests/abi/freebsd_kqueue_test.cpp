// Event queues against the real kernel: every filter and flag, closing, forking, many threads.
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "abi/freebsd/kqueue.hpp"
#include "abi/table_freeze.hpp"
#include "abi/table_reader.hpp"
#include "tests/abi/real_host.hpp"

using namespace sudrun::abi;
using namespace sudrun::abi::freebsd;
using namespace sudrun::abi::freebsd::kq;
using namespace sudrun::test;
using namespace std::chrono_literals;

namespace {

const char* const kCommon = R"(
source: {release: "1"}
identify: {}
convention: {number: rax, args: [rdi, rsi, rdx, r10, r8, r9], result: rax, error: negative}
)";

const Table& table() {
  static const std::vector<std::byte> block = [] {
    const std::string native = std::string("abi: host\ntitle: host\npersonality: host\n") + kCommon +
                               "errno: {ENOENT: 2, ESRCH: 3, EBADF: 9, ENOMEM: 12, EINVAL: 22, EOPNOTSUPP: 95, "
                               "ECONNRESET: 104, ETIMEDOUT: 110, ECONNREFUSED: 111}\n"
                               "signals: {SIGUSR1: 10, SIGUSR2: 12, SIGTERM: 15}\ncalls: {}\n";
    const std::string guest = std::string("abi: guest\ntitle: guest\npersonality: guest\n") + kCommon +
                              "errno: {ENOENT: 2, ESRCH: 3, EBADF: 9, ENOMEM: 12, EINVAL: 22, EOPNOTSUPP: 45, "
                              "ECONNRESET: 54, ETIMEDOUT: 60, ECONNREFUSED: 61}\n"
                              "signals: {SIGUSR1: 30, SIGUSR2: 31, SIGTERM: 15}\ncalls: {}\n";
    return freeze(parse_table(guest, "guest"), parse_table(native, "native"), {});
  }();
  static const Table wrapped = *Table::wrap(block);
  return wrapped;
}

constexpr int kGuestUsr1 = 30, kGuestConnRefused = 61, kGuestConnReset = 54, kGuestNotSupported = 45;

using Kevent = GuestKevent;

Kevent change(std::uint64_t ident, int filter, std::uint32_t flags, std::uint32_t fflags = 0,
              std::int64_t data = 0, std::uint64_t udata = 0) {
  return {ident, static_cast<std::int16_t>(filter), static_cast<std::uint16_t>(flags), fflags, data, udata, {}};
}

/// A guest with one queue; descriptors are closed as the guest closes them.
struct World {
  RealHost host;
  GuestArena arena;
  KqueueRegistry registry;
  int kq = static_cast<int>(registry.create(host));

  ~World() {
    if (kq >= 0) close(kq);
    CHECK(host.hidden_count() <= 1);  // the signal eventfd stays
  }

  void close(int fd) {
    registry.on_close(host, fd);
    ::close(fd);
  }

  Result run(int queue, std::vector<Kevent> changes, Kevent* events, int room, const KeventTimeout* timeout) {
    Kevent* in = arena.make<Kevent>(changes.size() + 1);
    std::copy(changes.begin(), changes.end(), in);
    return registry.kevent(host, table(), {kKeventCodec, queue, guest(in), static_cast<int>(changes.size()),
                                           guest(events), room, timeout});
  }
  /// Changes without room for events: the native errno, or 0.
  int apply(std::vector<Kevent> changes) { return apply_to(kq, std::move(changes)); }
  int apply_to(int queue, std::vector<Kevent> changes) {
    const Result result = run(queue, std::move(changes), nullptr, 0, nullptr);
    return result.is_ok() ? 0 : static_cast<int>(result.value());
  }
  /// Events within the time.
  std::vector<Kevent> wait(std::chrono::nanoseconds time = 0ns, int room = 64) { return wait_on(kq, time, room); }
  std::vector<Kevent> wait_on(int queue, std::chrono::nanoseconds time = 0ns, int room = 64) {
    Kevent* events = arena.make<Kevent>(static_cast<std::size_t>(room));
    const KeventTimeout timeout{time.count() / 1'000'000'000, time.count() % 1'000'000'000};
    const Result result = run(queue, {}, events, room, &timeout);
    REQUIRE(result.is_ok());
    return {events, events + result.value()};
  }
};

struct Pipe {
  Pipe() { REQUIRE(pipe2(ends, O_NONBLOCK) == 0); }
  int ends[2];
  int reader() const { return ends[0]; }
  int writer() const { return ends[1]; }
  void put(const std::string& text) const { REQUIRE(::write(ends[1], text.data(), text.size()) > 0); }
  void drain() const {
    char buffer[65536];
    while (::read(ends[0], buffer, sizeof buffer) > 0) {
    }
  }
};

struct Pair {
  explicit Pair(int type = SOCK_STREAM) { REQUIRE(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, ends) == 0); }
  int ends[2];
  void put(const std::string& text) const {
    REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void drain() const {
    char buffer[65536];
    while (::read(ends[0], buffer, sizeof buffer) > 0) {
    }
  }
};

struct TempFile {
  TempFile() {
    fd = mkstemp(name.data());
    REQUIRE(fd >= 0);
  }
  ~TempFile() { unlink(name.c_str()); }
  std::string name = "/tmp/sudrun-kqueue-XXXXXX";
  int fd = -1;
};

sockaddr_in loopback(std::uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = port;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int listening(sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  address = loopback();
  socklen_t size = sizeof address;
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  REQUIRE(listen(fd, 16) == 0);
  return fd;
}

int connecting(const sockaddr_in& address, int flags = 0) {
  const int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (flags == 0) REQUIRE(result == 0);
  return fd;
}

}  // namespace

// --- EVFILT_READ, EVFILT_WRITE ----------------------------------------------------------------------------

TEST_CASE("a readable pipe is reported as long as it is readable") {
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd, 0, 0, 77)}) == 0);
  CHECK(w.wait().empty());
  pipe.put("hello");
  for (int i = 0; i < 3; ++i) {
    const auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uint64_t>(pipe.reader()));
    CHECK(events[0].filter == kRead);
    CHECK(events[0].flags == 0);
    CHECK(events[0].data == 5);
    CHECK(events[0].udata == 77);
  }
  pipe.drain();
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kDelete)}) == 0);
  pipe.put("x");
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kDelete)}) == ENOENT);
  w.close(pipe.reader());
  CHECK(w.apply({change(pipe.reader(), kRead, kDelete)}) == EBADF);
  w.close(pipe.writer());
}

TEST_CASE("the end of a pipe is EV_EOF on both sides") {
  World w;
  Pipe pipe;
  SECTION("no writer is left") {
    REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
    pipe.put("abc");
    w.close(pipe.writer());
    const auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].flags == kEof);
    CHECK(events[0].data == 3);
    w.close(pipe.reader());
  }
  SECTION("no reader is left") {
    REQUIRE(w.apply({change(pipe.writer(), kWrite, kAdd | kClear)}) == 0);
    CHECK(w.wait(1s).size() == 1);
    w.close(pipe.reader());
    const auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].flags == (kEof | kClear));
    CHECK(events[0].data == 0);
    w.close(pipe.writer());
  }
}

TEST_CASE("a writable pipe tells its room") {
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.writer(), kWrite, kAdd)}) == 0);
  auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 65536);
  const std::string much(4096, 'x');
  while (::write(pipe.writer(), much.data(), much.size()) > 0) {
  }
  CHECK(w.wait().empty());
  pipe.drain();
  CHECK(w.wait(1s).size() == 1);
  w.close(pipe.reader());
  w.close(pipe.writer());
}

TEST_CASE("EV_CLEAR reports edges") {
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kClear)}) == 0);
  CHECK(w.wait().empty());
  pair.put("one");
  auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 3);
  CHECK(events[0].flags == kClear);
  CHECK(w.wait().empty());
  pair.put("more");
  events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 7);
  // Registering again evaluates the filter anew.
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kClear)}) == 0);
  CHECK(w.wait().size() == 1);
  CHECK(w.wait().empty());
  ::shutdown(pair.ends[1], SHUT_WR);
  events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].flags == (kClear | kEof));
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("Go's network poller: both filters at once cost one native call") {
  World w;
  Pair pair;
  const unsigned before = w.host.made(SYS_epoll_ctl);
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kClear, 0, 0, 5), change(pair.ends[0], kWrite, kAdd | kClear, 0, 0, 6)}) == 0);
  CHECK(w.host.made(SYS_epoll_ctl) == before + 1);
  auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].filter == kWrite);
  CHECK(events[0].udata == 6);
  CHECK(events[0].data > 0);
  CHECK(w.wait().empty());
  pair.put("x");
  events = w.wait(1s);
  REQUIRE(!events.empty());
  CHECK(events[0].filter == kRead);
  CHECK(events[0].udata == 5);
  CHECK(events[0].data == 1);
  CHECK(w.wait().empty());
  // Closing needs no EV_DELETE, even with the file open elsewhere.
  const int copy = dup(pair.ends[0]);
  w.close(pair.ends[0]);
  pair.put("y");
  CHECK(w.wait(20ms).empty());
  w.close(copy);
  w.close(pair.ends[1]);
  CHECK(w.apply({change(pair.ends[0], kRead, kAdd | kClear), change(pair.ends[0], kWrite, kAdd | kClear)}) == EBADF);
}

TEST_CASE("the filters of one descriptor may differ in EV_CLEAR") {
  const bool read_clears = GENERATE(true, false);
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | (read_clears ? kClear : 0)), change(pair.ends[0], kWrite, kAdd | (read_clears ? 0 : kClear))}) == 0);
  pair.put("x");
  auto events = w.wait(1s);
  REQUIRE(events.size() == 2);
  for (int i = 0; i < 3; ++i) {
    events = w.wait();
    REQUIRE(events.size() == 1);
    CHECK(events[0].filter == (read_clears ? kWrite : kRead));
  }
  if (read_clears) {
    pair.put("y");
    CHECK(w.wait(1s).size() == 2);
  }
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("with room for one event both filters take turns and no edge is lost") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  World w;
  Pair pair;
  pair.put("x");
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | clear), change(pair.ends[0], kWrite, kAdd | clear)}) == 0);
  const auto first = w.wait(1s, 1);
  const auto second = w.wait(1s, 1);
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(first[0].filter != second[0].filter);
  CHECK(w.wait(0s, 1).size() == (clear != 0 ? 0 : 1));
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("EV_ONESHOT removes the knote when it is reported") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd | kOneshot | clear)}) == 0);
  pipe.put("x");
  CHECK(w.wait(1s).size() == 1);
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kEnable)}) == ENOENT);
  w.close(pipe.reader());
  w.close(pipe.writer());
}

TEST_CASE("EV_DISPATCH disables the knote when it is reported") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  const bool both = GENERATE(false, true);
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kDispatch | clear)}) == 0);
  if (both) {
    REQUIRE(w.apply({change(pair.ends[0], kWrite, kAdd | kDispatch | clear)}) == 0);
    CHECK(w.wait().size() == 1);
  }
  pair.put("x");
  CHECK(w.wait(1s).size() == 1);
  CHECK(w.wait().empty());
  pair.put("y");
  CHECK(w.wait(5ms).empty());
  REQUIRE(w.apply({change(pair.ends[0], kRead, kEnable, 0, 0, 9)}) == 0);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 2);
  CHECK(events[0].udata == 9);
  CHECK(w.wait().empty());
  pair.drain();
  REQUIRE(w.apply({change(pair.ends[0], kRead, kEnable)}) == 0);
  CHECK(w.wait().empty());
  pair.put("z");
  CHECK(w.wait(1s).size() == 1);
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("EV_DISABLE silences and EV_ENABLE evaluates anew") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd | kDisable | clear)}) == 0);
  pipe.put("x");
  CHECK(w.wait(5ms).empty());
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable)}) == 0);
  CHECK(w.wait().size() == 1);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kDisable)}) == 0);
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kDisable | kEnable)}) == EINVAL);
  // A hang-up does not wake a queue whose only knote is disabled.
  w.close(pipe.writer());
  const auto start = std::chrono::steady_clock::now();
  CHECK(w.wait(30ms).empty());
  CHECK(std::chrono::steady_clock::now() - start >= 30ms);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable)}) == 0);
  CHECK(w.wait().size() == 1);
  w.close(pipe.reader());
}

TEST_CASE("udata changes with every change unless EV_KEEPUDATA says otherwise") {
  World w;
  Pipe pipe;
  pipe.put("x");
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd, 0, 0, 1)}) == 0);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable | kKeepUdata, 0, 0, 2)}) == 0);
  CHECK(w.wait().at(0).udata == 1);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable, 0, 0, 3)}) == 0);
  CHECK(w.wait().at(0).udata == 3);
  CHECK(w.apply({change(pipe.reader(), kRead, kAdd | kKeepUdata)}) == EINVAL);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("ext comes back as it was given; the older structure has none") {
  World w;
  Kevent c = change(1, kUser, kAdd | kClear);
  for (unsigned i = 0; i < 4; ++i) c.ext[i] = 100 + i;
  REQUIRE(w.apply({c, change(1, kUser, 0, kNoteTrigger)}) == 0);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  for (unsigned i = 0; i < 4; ++i) CHECK(events[0].ext[i] == 100 + i);

  auto* old = w.arena.make<GuestKevent11>(2);
  old[0] = {1, kUser, 0, kNoteTrigger, 0, 42};
  const KeventTimeout zero{};
  const Result result =
      w.registry.kevent(w.host, table(), {kKevent11Codec, w.kq, guest(old), 1, guest(old), 2, &zero});
  REQUIRE(result.is_ok());
  REQUIRE(result.value() == 1);
  CHECK(old[0].udata == 42);
  CHECK(old[0].flags == kClear);
  CHECK(old[1].ident == 0);
}

TEST_CASE("EV_FORCEONESHOT reports and removes a knote that is not ready") {
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kForceOneshot)}) == 0);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK((events[0].flags & kOneshot) != 0);
  CHECK(w.apply({change(pipe.reader(), kRead, kEnable)}) == ENOENT);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("EVFILT_READ of a listening socket tells the waiting connections") {
  World w;
  sockaddr_in address;
  const int server = listening(address);
  REQUIRE(w.apply({change(server, kRead, kAdd)}) == 0);
  CHECK(w.wait().empty());
  const int one = connecting(address), two = connecting(address);
  const auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 2);
  CHECK(events[0].flags == 0);
  for (int fd : {server, one, two}) w.close(fd);
}

TEST_CASE("a refused connection is EV_EOF with the guest's errno, and the error stays for the guest") {
  World w;
  sockaddr_in address;
  ::close(listening(address));
  const int fd = connecting(address, SOCK_NONBLOCK);
  REQUIRE(w.apply({change(fd, kRead, kAdd | kClear), change(fd, kWrite, kAdd | kClear)}) == 0);
  const auto events = w.wait(1s);
  REQUIRE(events.size() == 2);
  for (const Kevent& event : events) {
    CHECK((event.flags & kEof) != 0);
    CHECK(event.fflags == kGuestConnRefused);
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  CHECK(error == ECONNREFUSED);
  w.close(fd);
}

TEST_CASE("a reset connection is EV_EOF with the guest's errno") {
  World w;
  sockaddr_in address;
  const int server = listening(address);
  const int client = connecting(address);
  const int served = accept(server, nullptr, nullptr);
  REQUIRE(served >= 0);
  REQUIRE(w.apply({change(client, kWrite, kAdd | kClear)}) == 0);
  CHECK(w.wait(1s).size() == 1);
  REQUIRE(w.apply({change(client, kRead, kAdd)}) == 0);
  const linger hard{1, 0};
  setsockopt(served, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(served);
  auto events = w.wait(1s);
  REQUIRE(!events.empty());
  for (const Kevent& event : events) {
    CHECK((event.flags & kEof) != 0);
    CHECK(event.fflags == kGuestConnReset);
  }
  for (int fd : {server, client}) w.close(fd);
}

TEST_CASE("the peer's half-close is EV_EOF for reading only") {
  World w;
  sockaddr_in address;
  const int server = listening(address);
  const int client = connecting(address);
  const int served = accept(server, nullptr, nullptr);
  REQUIRE(w.apply({change(client, kRead, kAdd), change(client, kWrite, kAdd)}) == 0);
  ::send(served, "ab", 2, 0);
  shutdown(served, SHUT_WR);
  std::this_thread::sleep_for(10ms);
  for (const Kevent& event : w.wait(1s)) {
    if (event.filter == kRead) {
      CHECK(event.flags == kEof);
      CHECK(event.data == 2);
      CHECK(event.fflags == 0);
    } else {
      CHECK(event.flags == 0);
      CHECK(event.data > 0);
    }
  }
  for (int fd : {server, client, served}) w.close(fd);
}

TEST_CASE("a socket not yet connected is not at its end") {
  const std::uint32_t clear = GENERATE(0u, kClear, kDispatch);
  World w;
  sockaddr_in address;
  const int server = listening(address);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(w.apply({change(fd, kRead, kAdd | clear)}) == 0);
  const unsigned before = w.host.made(SYS_epoll_pwait2);
  CHECK(w.wait(20ms).empty());
  CHECK(w.host.made(SYS_epoll_pwait2) - before <= 4);  // it slept
  REQUIRE(w.apply({change(fd, kWrite, kAdd | clear)}) == 0);
  CHECK(w.wait(20ms).empty());
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].filter == kWrite);
  CHECK((events[0].flags & kEof) == 0);
  const int served = accept(server, nullptr, nullptr);
  ::send(served, "abc", 3, 0);
  const auto more = w.wait(1s);
  REQUIRE(!more.empty());
  for (int f : {server, fd, served}) w.close(f);
}

TEST_CASE("NOTE_LOWAT holds a reader back") {
  const std::uint32_t clear = GENERATE(0u, kClear, kDispatch);
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | clear, kNoteLowat, 4)}) == 0);
  pair.put("ab");
  const unsigned before = w.host.made(SYS_epoll_pwait2);
  CHECK(w.wait(20ms).empty());
  CHECK(w.host.made(SYS_epoll_pwait2) - before <= 5);
  pair.put("cd");
  auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 4);
  CHECK(w.wait().size() == (clear == 0 ? 1 : 0));
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("a regular file is readable until its end and always writable") {
  World w;
  TempFile file;
  REQUIRE(::write(file.fd, "0123456789", 10) == 10);
  lseek(file.fd, 4, SEEK_SET);
  SECTION("level") {
    REQUIRE(w.apply({change(file.fd, kRead, kAdd), change(file.fd, kWrite, kAdd)}) == 0);
    for (int i = 0; i < 2; ++i) {
      const auto events = w.wait();
      REQUIRE(events.size() == 2);
      for (const Kevent& event : events) CHECK(event.data == (event.filter == kRead ? 6 : 0));
    }
    REQUIRE(w.apply({change(file.fd, kWrite, kDelete)}) == 0);
    lseek(file.fd, 0, SEEK_END);
    CHECK(w.wait(5ms).empty());
    lseek(file.fd, 12, SEEK_SET);
    CHECK(w.wait().at(0).data == -2);
    lseek(file.fd, 0, SEEK_END);
    CHECK(w.wait().empty());
    std::thread writer([&] {
      std::this_thread::sleep_for(20ms);
      const int other = open(file.name.c_str(), O_WRONLY | O_APPEND);
      CHECK(::write(other, "more", 4) == 4);
      ::close(other);
    });
    const auto events = w.wait(5s);
    writer.join();
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == 4);
  }
  SECTION("EV_CLEAR") {
    REQUIRE(w.apply({change(file.fd, kRead, kAdd | kClear)}) == 0);
    CHECK(w.wait().at(0).data == 6);
    CHECK(w.wait().empty());
    REQUIRE(pwrite(file.fd, "more", 4, 10) == 4);
    CHECK(w.wait(1s).at(0).data == 10);
    CHECK(w.wait().empty());
  }
  SECTION("NOTE_FILE_POLL") {
    lseek(file.fd, 0, SEEK_END);
    REQUIRE(w.apply({change(file.fd, kRead, kAdd, kNoteFilePoll)}) == 0);
    CHECK(w.wait().size() == 1);
  }
  w.close(file.fd);
  CHECK(w.wait(5ms).empty());
}

TEST_CASE("a descriptor that is nothing to wait for") {
  World w;
  CHECK(w.apply({change(999, kRead, kAdd)}) == EBADF);
  CHECK(w.apply({change(std::uint64_t{1} << 40, kRead, kAdd)}) == EBADF);
  const int null = open("/dev/null", O_RDWR);
  REQUIRE(w.apply({change(null, kRead, kAdd)}) == 0);
  CHECK(w.wait().size() == 1);
  w.close(null);
}

TEST_CASE("a queue in a queue") {
  World w;
  const int inner = static_cast<int>(w.registry.create(w.host));
  REQUIRE(inner >= 0);
  REQUIRE(w.apply({change(inner, kRead, kAdd)}) == 0);
  CHECK(w.wait().empty());
  REQUIRE(w.apply_to(inner, {change(7, kUser, kAdd | kClear), change(7, kUser, 0, kNoteTrigger)}) == 0);
  CHECK(w.wait(1s).size() == 1);
  CHECK(w.wait_on(inner).size() == 1);
  CHECK(w.wait().empty());
  CHECK(w.apply({change(inner, kWrite, kAdd)}) == EINVAL);
  CHECK(w.apply({change(w.kq, kRead, kAdd)}) == EINVAL);
  w.close(inner);
}

// --- kevent itself ----------------------------------------------------------------------------------------

TEST_CASE("arguments of kevent") {
  World w;
  const KeventTimeout zero{};
  auto* events = w.arena.make<Kevent>(4);
  const auto error = [](const Result& result) { return result.is_ok() ? 0 : static_cast<int>(result.value()); };
  CHECK(error(w.run(-1, {}, events, 4, &zero)) == EBADF);
  CHECK(error(w.run(0, {}, events, 4, &zero)) == EBADF);
  CHECK(error(w.run(w.kq, {}, events, -1, &zero)) == EINVAL);
  const KeventTimeout negative{-1, 0}, large{0, 1'000'000'000};
  CHECK(error(w.run(w.kq, {}, events, 4, &negative)) == EINVAL);
  CHECK(error(w.run(w.kq, {}, events, 4, &large)) == EINVAL);
  CHECK(error(w.run(w.kq, {}, events, 0, &negative)) == 0);
  const auto raw = [&](Word changes, int count, Word to, int room) {
    return error(w.registry.kevent(
        w.host, table(), {kKeventCodec, w.kq, guest_addr(changes), count, guest_addr(to), room, &zero}));
  };
  CHECK(raw(0, -1, 0, 0) == EINVAL);
  CHECK(raw(16, 1, 0, 0) == EFAULT);
  REQUIRE(w.apply({change(1, kUser, kAdd), change(1, kUser, 0, kNoteTrigger)}) == 0);
  CHECK(raw(0, 0, 16, 1) == EFAULT);
  CHECK(raw(0, 0, ~Word{0}, 1) == EFAULT);
  CHECK(w.apply({change(0, 0, kAdd)}) == 0);  // filter 0 is skipped
  CHECK(w.apply({change(0, 1, kAdd)}) == EINVAL);
  CHECK(w.apply({change(0, -14, kAdd)}) == EINVAL);
}

TEST_CASE("filters that are not there") {
  World w;
  Pipe pipe;
  CHECK(w.apply({change(1, kAio, kAdd)}) == EPERM);
  CHECK(w.apply({change(1, kLio, kAdd)}) == EPERM);
  CHECK(w.apply({change(1, kSendfile, kAdd)}) == ENXIO);
  CHECK(w.apply({change(1, kFs, kAdd)}) == EOPNOTSUPP);
  CHECK(w.apply({change(pipe.reader(), kEmpty, kAdd)}) == EOPNOTSUPP);
  CHECK(w.apply({change(1, kUser, kDelete)}) == ENOENT);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("errors of changes are events where there is room") {
  World w;
  auto* events = w.arena.make<Kevent>(4);
  const KeventTimeout zero{};
  REQUIRE(w.apply({change(1, kUser, kAdd), change(1, kUser, 0, kNoteTrigger)}) == 0);
  SECTION("they come instead of waiting") {
    const Result result =
        w.run(w.kq, {change(999, kRead, kAdd, 0, 0, 3), change(5, kFs, kAdd), change(2, kUser, kAdd)}, events, 4, nullptr);
    REQUIRE(result.is_ok());
    REQUIRE(result.value() == 2);
    CHECK(events[0].ident == 999);
    CHECK(events[0].flags == kError);
    CHECK(events[0].data == 9);
    CHECK(events[0].udata == 3);
    CHECK(events[1].data == kGuestNotSupported);
    CHECK(w.apply({change(2, kUser, kDelete)}) == 0);
  }
  SECTION("without room the call fails and later changes are not made") {
    const Result result =
        w.run(w.kq, {change(999, kRead, kAdd), change(5, kFs, kAdd), change(2, kUser, kAdd)}, events, 1, nullptr);
    CHECK(result.is_native_error(EOPNOTSUPP));
    CHECK(w.apply({change(2, kUser, kDelete)}) == ENOENT);
  }
  SECTION("EV_RECEIPT answers success too") {
    const Result result = w.run(w.kq, {change(2, kUser, kAdd | kReceipt), change(2, kUser, kDelete | kReceipt)}, events, 4, &zero);
    REQUIRE(result.is_ok());
    REQUIRE(result.value() == 2);
    for (int i = 0; i < 2; ++i) {
      CHECK(events[i].flags == kError);
      CHECK(events[i].data == 0);
    }
  }
}

TEST_CASE("many changes and many events pass in pieces") {
  World w;
  std::vector<Kevent> changes;
  for (unsigned i = 0; i < 200; ++i) changes.push_back(change(i, kUser, kAdd | kClear));
  for (unsigned i = 0; i < 200; ++i) changes.push_back(change(i, kUser, 0, kNoteTrigger));
  REQUIRE(w.apply(changes) == 0);
  CHECK(w.wait(0s, 70).size() == 70);
  CHECK(w.wait(0s, 300).size() == 130);
  CHECK(w.wait().empty());

  std::vector<Pipe> pipes(100);
  for (const Pipe& pipe : pipes) {
    pipe.put("x");
    REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  }
  CHECK(w.wait(0s, 300).size() == 100);
  CHECK(w.wait(0s, 40).size() == 40);
  for (const Pipe& pipe : pipes) {
    w.close(pipe.reader());
    w.close(pipe.writer());
  }
}

TEST_CASE("timeouts are kept to the nanosecond's order") {
  World w;
  const auto start = std::chrono::steady_clock::now();
  CHECK(w.wait(30ms).empty());
  const auto passed = std::chrono::steady_clock::now() - start;
  CHECK(passed >= 30ms);
  CHECK(passed < 2s);
}

TEST_CASE("a signal interrupts the wait, but not before what has happened") {
  World w;
  auto* events = w.arena.make<Kevent>(4);
  w.host.interrupt_next = true;
  CHECK(w.run(w.kq, {}, events, 4, nullptr).is_native_error(EINTR));
  Pipe pipe;
  pipe.put("x");
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  w.host.interrupt_next = true;
  const Result result = w.run(w.kq, {}, events, 4, nullptr);
  REQUIRE(result.is_ok());
  CHECK(result.value() == 1);
  for (int end : pipe.ends) w.close(end);
}

// --- other filters ----------------------------------------------------------------------------------------

TEST_CASE("EVFILT_USER") {
  World w;
  SECTION("level") {
    REQUIRE(w.apply({change(3, kUser, kAdd, 0x5, 0, 1)}) == 0);
    CHECK(w.wait().empty());
    REQUIRE(w.apply({change(3, kUser, 0, kNoteTrigger, 12, 2)}) == 0);
    for (int i = 0; i < 2; ++i) {
      const auto events = w.wait();
      REQUIRE(events.size() == 1);
      CHECK(events[0].fflags == 0x5);
      CHECK(events[0].data == 12);
      CHECK(events[0].udata == 2);
    }
    REQUIRE(w.apply({change(3, kUser, kDelete)}) == 0);
    CHECK(w.wait().empty());
  }
  SECTION("EV_CLEAR and the operations on the flags") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kClear, 0x0f)}) == 0);
    const auto fire = [&](std::uint32_t fflags) {
      REQUIRE(w.apply({change(3, kUser, 0, fflags | kNoteTrigger)}) == 0);
      const auto events = w.wait(1s);
      REQUIRE(events.size() == 1);
      CHECK(w.wait().empty());
      return events[0].fflags;
    };
    CHECK(fire(kNoteFfNop | 0xff) == 0x0f);
    CHECK(fire(kNoteFfAnd | 0x0c) == 0x0c);
    CHECK(fire(kNoteFfOr | 0x03) == 0x0f);
    CHECK(fire(kNoteFfCopy | 0xaa) == 0xaa);
  }
  SECTION("disabled, it remembers") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kClear | kDisable), change(3, kUser, 0, kNoteTrigger)}) == 0);
    CHECK(w.wait().empty());
    REQUIRE(w.apply({change(3, kUser, kEnable)}) == 0);
    CHECK(w.wait().size() == 1);
  }
  SECTION("EV_ONESHOT") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kOneshot), change(3, kUser, 0, kNoteTrigger)}) == 0);
    CHECK(w.wait().size() == 1);
    CHECK(w.apply({change(3, kUser, 0, kNoteTrigger)}) == ENOENT);
  }
  SECTION("it wakes a waiting thread, and shows in poll()") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kClear)}) == 0);
    std::thread other([&] {
      std::this_thread::sleep_for(10ms);
      CHECK(w.apply({change(3, kUser, 0, kNoteTrigger)}) == 0);
    });
    CHECK(w.wait(10s).size() == 1);
    other.join();
    Kevent* none = w.arena.make<Kevent>();
    CHECK(w.run(w.kq, {change(3, kUser, 0, kNoteTrigger)}, none, 0, nullptr).is_ok());
    fd_set set;
    FD_ZERO(&set);
    FD_SET(w.kq, &set);
    timeval zero{};
    CHECK(::select(w.kq + 1, &set, nullptr, nullptr, &zero) == 1);
    CHECK(w.wait().size() == 1);
    FD_SET(w.kq, &set);
    CHECK(::select(w.kq + 1, &set, nullptr, nullptr, &zero) == 0);
  }
}

TEST_CASE("EVFILT_TIMER") {
  World w;
  SECTION("periodic, with the expirations counted") {
    const auto [unit, value] = GENERATE(table<std::uint32_t, std::int64_t>(
        {{0u, 5}, {kNoteMseconds, 5}, {kNoteUseconds, 5000}, {kNoteNseconds, 5'000'000}}));
    REQUIRE(w.apply({change(1, kTimer, kAdd, unit, value, 8)}) == 0);
    CHECK(w.wait().empty());
    auto events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].flags == kClear);
    CHECK(events[0].data >= 1);
    CHECK(events[0].udata == 8);
    std::this_thread::sleep_for(28ms);
    events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data >= 4);
    REQUIRE(w.apply({change(1, kTimer, kDelete)}) == 0);
    CHECK(w.wait(10ms).empty());
  }
  SECTION("once") {
    REQUIRE(w.apply({change(1, kTimer, kAdd | kOneshot, 0, 5)}) == 0);
    std::this_thread::sleep_for(30ms);
    const auto events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == 1);
    CHECK(w.apply({change(1, kTimer, kDelete)}) == ENOENT);
  }
  SECTION("at once") {
    REQUIRE(w.apply({change(1, kTimer, kAdd | kOneshot, 0, 0)}) == 0);
    CHECK(w.wait(10s).size() == 1);
  }
  SECTION("at a time of day, and then for good") {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    REQUIRE(w.apply({change(1, kTimer, kAdd, kNoteAbstime | kNoteMseconds, now.tv_sec * 1000 + now.tv_nsec / 1'000'000 + 20)}) == 0);
    CHECK(w.wait().empty());
    for (int i = 0; i < 2; ++i) {
      const auto events = w.wait(10s);
      REQUIRE(events.size() == 1);
      CHECK(events[0].data == 1);
    }
  }
  SECTION("disabled, it counts on") {
    REQUIRE(w.apply({change(1, kTimer, kAdd | kDisable, 0, 2)}) == 0);
    CHECK(w.wait(20ms).empty());
    REQUIRE(w.apply({change(1, kTimer, kEnable, 0, 2)}) == 0);
    CHECK(w.wait(1s).at(0).data >= 5);
  }
  SECTION("added again it starts anew") {
    REQUIRE(w.apply({change(1, kTimer, kAdd, 0, 1)}) == 0);
    std::this_thread::sleep_for(5ms);
    REQUIRE(w.apply({change(1, kTimer, kAdd, kNoteSeconds, 100)}) == 0);
    CHECK(w.wait(5ms).empty());
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    REQUIRE(w.apply({change(1, kTimer, kAdd, kNoteAbstime | kNoteSeconds, now.tv_sec - 5)}) == 0);
    CHECK(w.wait(1s).size() == 1);
  }
  SECTION("what makes no sense") {
    CHECK(w.apply({change(1, kTimer, kAdd, 0, -1)}) == EINVAL);
    CHECK(w.apply({change(1, kTimer, kAdd, kNoteSeconds | kNoteUseconds, 1)}) == EINVAL);
    CHECK(w.apply({change(1, kTimer, kAdd, 0x100, 1)}) == EINVAL);
    CHECK(w.apply({change(1, kTimer, kAdd, kNoteSeconds, INT64_MAX)}) == 0);
    CHECK(w.wait(1ms).empty());
  }
}

TEST_CASE("EVFILT_SIGNAL counts what the runtime catches") {
  World w;
  CHECK(!w.registry.wants_signal(SIGUSR1));
  w.registry.on_signal(SIGUSR1);
  REQUIRE(w.apply({change(kGuestUsr1, kSignal, kAdd)}) == 0);
  CHECK(w.registry.wants_signal(SIGUSR1));
  CHECK(w.wait().empty());
  w.registry.on_signal(SIGUSR1);
  w.registry.on_signal(SIGUSR2);
  w.registry.on_signal(SIGUSR1);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].ident == kGuestUsr1);
  CHECK(events[0].flags == kClear);
  CHECK(events[0].data == 2);
  CHECK(w.wait().empty());
  std::thread other([&] {
    std::this_thread::sleep_for(10ms);
    w.registry.on_signal(SIGUSR1);
  });
  CHECK(w.wait(10s).at(0).data == 1);
  other.join();
  const int second = static_cast<int>(w.registry.create(w.host));
  REQUIRE(w.apply_to(second, {change(kGuestUsr1, kSignal, kAdd)}) == 0);
  w.registry.on_signal(SIGUSR1);
  CHECK(w.wait().size() == 1);
  CHECK(w.wait_on(second).size() == 1);
  w.close(second);
  REQUIRE(w.apply({change(kGuestUsr1, kSignal, kDelete)}) == 0);
  w.registry.on_signal(SIGUSR1);
  CHECK(w.wait().empty());
}

TEST_CASE("EVFILT_PROC reports the end of a process") {
  World w;
  const auto child = [](auto&& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      body();
      ::_exit(0);
    }
    return pid;
  };
  SECTION("exit status") {
    const pid_t pid = child([] {
      usleep(10000);
      ::_exit(3);
    });
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(pid), kProc, kAdd, kNoteExit | kNoteExec)}) == 0);
    const auto events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uint64_t>(pid));
    CHECK(events[0].fflags == kNoteExit);
    CHECK((events[0].flags & (kEof | kOneshot)) == (kEof | kOneshot));
    CHECK(events[0].data == 3 << 8);
    CHECK(w.wait().empty());
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);  // not reaped by us
  }
  SECTION("killed by a signal, in the guest's number, and found as a zombie") {
    const pid_t pid = child([] { pause(); });
    kill(pid, SIGUSR1);
    usleep(20000);
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(pid), kProc, kAdd, kNoteExit)}) == 0);
    CHECK(w.wait(10s).at(0).data == kGuestUsr1);
    waitpid(pid, nullptr, 0);
  }
  SECTION("nobody") {
    const pid_t pid = child([] {});
    waitpid(pid, nullptr, 0);
    CHECK(w.apply({change(static_cast<std::uint64_t>(pid), kProc, kAdd, kNoteExit)}) == ESRCH);
    CHECK(w.apply({change(1, kProc, kAdd, kNoteExit | kNoteTrack)}) == EOPNOTSUPP);
    CHECK(w.apply({change(1, kProc, kAdd, kNoteFork)}) == EOPNOTSUPP);
  }
  SECTION("EVFILT_PROCDESC") {
    const pid_t pid = child([] {
      usleep(10000);
      ::_exit(4);
    });
    const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(descriptor), kProcdesc, kAdd, kNoteExit)}) == 0);
    CHECK(w.wait(10s).at(0).data == 4 << 8);
    waitpid(pid, nullptr, 0);
    w.close(descriptor);
    CHECK(w.apply({change(static_cast<std::uint64_t>(w.kq), kProcdesc, kAdd, kNoteExit)}) == EINVAL);
    CHECK(w.apply({change(999, kProcdesc, kAdd, kNoteExit)}) == EBADF);
  }
}

TEST_CASE("EVFILT_VNODE") {
  World w;
  TempFile file;
  const auto watch = [&](int fd, std::uint32_t notes, std::uint32_t flags = kAdd | kClear) {
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(fd), kVnode, flags, notes)}) == 0);
  };
  const auto seen = [&] {
    std::uint32_t notes = 0;
    for (const Kevent& event : w.wait(10ms)) notes |= event.fflags;
    return notes;
  };
  const std::uint32_t all = 0x7ff;
  const std::string other = file.name + "-other";

  SECTION("contents") {
    watch(file.fd, all & ~(kNoteOpen | kNoteClose | kNoteCloseWrite | kNoteRead));
    CHECK(seen() == 0);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == (kNoteWrite | kNoteExtend));
    REQUIRE(pwrite(file.fd, "x", 1, 0) == 1);
    CHECK(seen() == kNoteWrite);
    CHECK(seen() == 0);
    REQUIRE(ftruncate(file.fd, 1) == 0);
    CHECK((seen() & kNoteWrite) != 0);
  }
  SECTION("only what was asked for, and without EV_CLEAR for good") {
    watch(file.fd, kNoteAttrib, kAdd);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == 0);
    REQUIRE(fchmod(file.fd, 0600) == 0);
    CHECK(seen() == kNoteAttrib);
    CHECK(seen() == kNoteAttrib);
  }
  SECTION("names") {
    watch(file.fd, all & ~(kNoteOpen | kNoteClose | kNoteCloseWrite | kNoteRead));
    REQUIRE(link(file.name.c_str(), other.c_str()) == 0);
    CHECK(seen() == kNoteLink);
    REQUIRE(unlink(other.c_str()) == 0);
    CHECK(seen() == kNoteDelete);
    REQUIRE(rename(file.name.c_str(), other.c_str()) == 0);
    CHECK(seen() == kNoteRename);
    REQUIRE(unlink(other.c_str()) == 0);
    CHECK(seen() == kNoteDelete);
  }
  SECTION("opening, reading, closing") {
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    watch(file.fd, kNoteOpen | kNoteClose | kNoteCloseWrite | kNoteRead);
    const int reader = open(file.name.c_str(), O_RDONLY);
    CHECK(seen() == kNoteOpen);
    char byte = 0;
    REQUIRE(::read(reader, &byte, 1) == 1);
    CHECK(seen() == kNoteRead);
    ::close(reader);
    CHECK(seen() == kNoteClose);
    ::close(open(file.name.c_str(), O_WRONLY));
    CHECK(seen() == (kNoteOpen | kNoteCloseWrite));
  }
  SECTION("directories") {
    std::string name = "/tmp/sudrun-kqueue-dir-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    const int directory = open(name.c_str(), O_RDONLY | O_DIRECTORY);
    watch(directory, all & ~(kNoteOpen | kNoteClose | kNoteRead));
    const std::string a = name + "/a", b = name + "/b";
    ::close(open(a.c_str(), O_CREAT | O_WRONLY, 0600));
    CHECK(seen() == kNoteWrite);
    REQUIRE(rename(a.c_str(), b.c_str()) == 0);
    CHECK(seen() == kNoteWrite);
    REQUIRE(mkdir(a.c_str(), 0700) == 0);
    CHECK(seen() == (kNoteWrite | kNoteLink));
    REQUIRE(rmdir(a.c_str()) == 0);
    CHECK((seen() & (kNoteWrite | kNoteLink)) == (kNoteWrite | kNoteLink));
    REQUIRE(rename(b.c_str(), other.c_str()) == 0);
    CHECK(seen() == (kNoteWrite | kNoteExtend));
    unlink(other.c_str());
    REQUIRE(rmdir(name.c_str()) == 0);
    CHECK((seen() & kNoteDelete) != 0);
    w.close(directory);
  }
  SECTION("two descriptors of one file have their own knotes") {
    const int second = open(file.name.c_str(), O_RDONLY);
    watch(file.fd, kNoteWrite);
    watch(second, kNoteAttrib);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uint64_t>(file.fd));
    w.close(second);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == kNoteWrite);
    watch(file.fd, kNoteAttrib, 0);  // other notes from now on
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == 0);
    REQUIRE(fchmod(file.fd, 0640) == 0);
    CHECK(seen() == kNoteAttrib);
  }
  SECTION("a socket is no vnode") {
    Pair pair;
    CHECK(w.apply({change(static_cast<std::uint64_t>(pair.ends[0]), kVnode, kAdd, kNoteWrite)}) == EINVAL);
    CHECK(w.apply({change(999, kVnode, kAdd, kNoteWrite)}) == EBADF);
    for (int end : pair.ends) w.close(end);
  }
  w.close(file.fd);
  CHECK(seen() == 0);
}

// --- descriptors come and go ------------------------------------------------------------------------------

TEST_CASE("a closed and reused number has no old knotes") {
  World w;
  Pipe first;
  first.put("x");
  REQUIRE(w.apply({change(first.reader(), kRead, kAdd)}) == 0);
  const int number = first.reader();
  const int kept = dup(number);
  w.close(number);
  REQUIRE(dup2(first.writer(), number) == number);
  CHECK(w.wait(5ms).empty());
  CHECK(w.apply({change(static_cast<std::uint64_t>(number), kRead, kDelete)}) == ENOENT);
  w.close(number);
  w.close(kept);
  w.close(first.writer());
}

TEST_CASE("closing a queue frees its helpers and its number") {
  RealHost host;
  KqueueRegistry registry;
  GuestArena arena;
  for (int round = 0; round < 50; ++round) {
    const int kq = static_cast<int>(registry.create(host));
    REQUIRE(kq >= 0);
    auto* changes = arena.make<Kevent>(3);
    changes[0] = change(1, kTimer, kAdd, 0, 1000);
    changes[1] = change(0, kVnode, kAdd, kNoteWrite);
    changes[2] = change(1, kUser, kAdd);
    TempFile file;
    changes[1].ident = static_cast<std::uint64_t>(file.fd);
    const KeventRequest request{kKeventCodec, kq, guest(changes), 3, {}, 0, nullptr};
    REQUIRE(registry.kevent(host, table(), request).is_ok());
    CHECK(host.hidden_count() == 3);
    registry.on_close(host, kq);
    ::close(kq);
    CHECK(host.hidden_count() == 0);
    CHECK(registry.kevent(host, table(), request).is_native_error(EBADF));
    registry.on_close(host, file.fd);
    ::close(file.fd);
  }
}

TEST_CASE("a duplicate of a queue's descriptor is the same queue") {
  World w;
  const int copy = dup(w.kq);
  w.registry.on_dup(w.kq, copy);
  REQUIRE(w.apply({change(1, kUser, kAdd), change(1, kUser, 0, kNoteTrigger)}) == 0);
  CHECK(w.wait_on(copy).size() == 1);
  w.close(w.kq);
  w.kq = copy;
  CHECK(w.wait().size() == 1);
  Pipe pipe;
  pipe.put("x");
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  CHECK(w.wait().size() == 2);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("a forked child has no queues and leaves the parent's alone") {
  World w;
  TempFile file;
  Pipe pipe;
  REQUIRE(w.apply({change(1, kTimer, kAdd, 0, 20), change(static_cast<std::uint64_t>(file.fd), kVnode, kAdd | kClear, kNoteWrite),
                   change(pipe.reader(), kRead, kAdd), change(kGuestUsr1, kSignal, kAdd)}) == 0);
  w.registry.before_fork();
  const pid_t pid = ::fork();
  if (pid == 0) {
    w.registry.after_fork_in_child(w.host);
    const bool closed = fcntl(w.kq, F_GETFD) < 0 && w.host.hidden_count() == 0;
    // Closing what the parent's queue still holds, and a queue of its own.
    w.registry.on_close(w.host, pipe.reader());
    ::close(pipe.reader());
    const int own = static_cast<int>(w.registry.create(w.host));
    const bool works = w.apply_to(own, {change(1, kUser, kAdd)}) == 0;
    ::_exit(closed && works ? 0 : 1);
  }
  w.registry.after_fork_in_parent();
  int status = -1;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
  pipe.put("x");
  REQUIRE(::write(file.fd, "x", 1) == 1);
  w.registry.on_signal(SIGUSR1);
  std::this_thread::sleep_for(30ms);
  std::vector<int> filters;
  for (const Kevent& event : w.wait(1s)) filters.push_back(event.filter);
  std::sort(filters.begin(), filters.end());
  CHECK(filters == std::vector<int>{kTimer, kSignal, kVnode, kRead});
  for (int fd : {pipe.reader(), pipe.writer(), file.fd}) w.close(fd);
}

// --- threads ----------------------------------------------------------------------------------------------

TEST_CASE("one thread waits while others add") {
  World w;
  Pipe pipe;
  std::thread other([&] {
    std::this_thread::sleep_for(10ms);
    CHECK(w.apply({change(pipe.reader(), kRead, kAdd | kClear)}) == 0);
    std::this_thread::sleep_for(5ms);
    pipe.put("x");
  });
  CHECK(w.wait(10s).size() == 1);
  other.join();
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("every triggered user event reaches exactly one of many waiting threads") {
  World w;
  constexpr int kThreads = 4, kRounds = 500;
  std::atomic<int> got{0};
  std::atomic<bool> done{false};
  REQUIRE(w.apply({change(1, kUser, kAdd | kClear)}) == 0);
  std::vector<std::thread> threads;
  std::vector<Kevent*> rooms;
  for (int i = 0; i < kThreads; ++i) rooms.push_back(w.arena.make<Kevent>(8));
  auto* trigger = w.arena.make<Kevent>();
  *trigger = change(1, kUser, 0, kNoteTrigger);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const KeventTimeout soon{0, 5'000'000};
      while (!done) {
        const Result result = w.registry.kevent(
            w.host, table(), {kKeventCodec, w.kq, {}, 0, guest(rooms[static_cast<unsigned>(i)]), 8, &soon});
        if (result.is_ok()) got += static_cast<int>(result.value());
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    const int before = got;
    CHECK(w.registry.kevent(w.host, table(), {kKeventCodec, w.kq, guest(trigger), 1, {}, 0, nullptr}).is_ok());
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (got == before && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    if (got == before) break;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(got == kRounds);
}

TEST_CASE("knotes added, deleted and closed under waiting threads") {
  World w;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, events{0};
  std::vector<std::thread> threads;
  std::vector<Kevent*> rooms;
  for (int i = 0; i < 5; ++i) rooms.push_back(w.arena.make<Kevent>(8));
  const auto kevent = [&](Kevent* list, int changes, int room, const KeventTimeout* timeout) {
    return w.registry.kevent(w.host, table(), {kKeventCodec, w.kq, guest(list), changes, guest(list), room, timeout});
  };
  for (unsigned i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      const KeventTimeout soon{0, 1'000'000};
      while (!done) {
        const Result result = kevent(rooms[i], 0, 8, &soon);
        if (!result.is_ok()) {
          ++wrong;
          continue;
        }
        events += static_cast<int>(result.value());
        for (std::size_t k = 0; k < result.value(); ++k) {
          // udata always is what this very descriptor was added with.
          if (rooms[i][k].udata != rooms[i][k].ident * 3) ++wrong;
        }
      }
    });
  }
  for (unsigned i = 2; i < 5; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 400; ++round) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
          ++wrong;
          return;
        }
        Kevent* list = rooms[i];
        const auto ident = static_cast<std::uint64_t>(ends[0]);
        const std::uint32_t flags = round % 4 == 0 ? 0u : round % 4 == 1 ? kClear : round % 4 == 2 ? kOneshot : kDispatch;
        list[0] = change(ident, kRead, kAdd | flags, 0, 0, ident * 3);
        list[1] = change(ident, kWrite, kAdd | flags, 0, 0, ident * 3);
        if (!kevent(list, 2, 0, nullptr).is_ok()) ++wrong;
        if (::write(ends[1], "x", 1) != 1) ++wrong;
        if (round % 16 == 0) usleep(500);  // the waiters' turn
        if (round % 3 == 0) {
          list[0] = change(ident, kRead, kDelete);
          kevent(list, 1, 0, nullptr);
        }
        w.registry.on_close(w.host, ends[0]);
        ::close(ends[0]);
        ::close(ends[1]);
      }
    });
  }
  for (unsigned i = 2; i < 5; ++i) threads[i].join();
  done = true;
  threads[0].join();
  threads[1].join();
  CHECK(wrong == 0);
  CHECK(events > 0);
  CHECK(w.wait().empty());
}

TEST_CASE("a queue closed under a waiting thread fails its wait when something happens") {
  World w;
  Pipe pipe;
  const int kq = static_cast<int>(w.registry.create(w.host));
  REQUIRE(w.apply_to(kq, {change(pipe.reader(), kRead, kAdd)}) == 0);
  Kevent* room = w.arena.make<Kevent>(4);
  std::atomic<int> error{0};
  std::thread waiter([&] {
    const KeventTimeout long_time{20, 0};
    const Result result = w.registry.kevent(w.host, table(), {kKeventCodec, kq, {}, 0, guest(room), 4, &long_time});
    error = result.is_ok() ? -1 : static_cast<int>(result.value());
  });
  std::this_thread::sleep_for(20ms);
  w.close(kq);
  pipe.put("x");
  waiter.join();
  CHECK(error == EBADF);
  for (int end : pipe.ends) w.close(end);
}
