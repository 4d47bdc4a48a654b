// What the kqueue tests share: a small table, a guest with a queue, and things to wait for.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "abi/bsd/kqueue.hpp"
#include "abi/table_freeze.hpp"
#include "abi/table_reader.hpp"
#include "tests/abi/real_host.hpp"

namespace sudrun::test::kqueue {

using namespace abi;
using namespace abi::bsd;
using namespace abi::bsd::kq;
using namespace std::chrono_literals;

inline const char* const kCommon = R"(
source: {release: "1"}
identify: {}
convention: {number: rax, args: [rdi, rsi, rdx, r10, r8, r9], result: rax, error: negative}
)";

inline const Table& table() {
  static const std::vector<std::byte> block = [] {
    const std::string native =
        std::string("abi: host\ntitle: host\npersonality: host\n") + kCommon +
        "errno: {ENOENT: 2, ESRCH: 3, EBADF: 9, ENOMEM: 12, EINVAL: 22, EOPNOTSUPP: 95, "
        "ECONNRESET: 104, ETIMEDOUT: 110, ECONNREFUSED: 111}\n"
        "signals: {SIGUSR1: 10, SIGUSR2: 12, SIGTERM: 15}\ncalls: {}\n";
    const std::string guest =
        std::string("abi: guest\ntitle: guest\npersonality: guest\n") + kCommon +
        "errno: {ENOENT: 2, ESRCH: 3, EBADF: 9, ENOMEM: 12, EINVAL: 22, EOPNOTSUPP: 45, "
        "ECONNRESET: 54, ETIMEDOUT: 60, ECONNREFUSED: 61}\n"
        "signals: {SIGUSR1: 30, SIGUSR2: 31, SIGTERM: 15}\ncalls: {}\n";
    return freeze(parse_table(guest, "guest"), parse_table(native, "native"), {});
  }();
  static const Table wrapped = *Table::wrap(block);
  return wrapped;
}

inline constexpr int kGuestUsr1 = 30, kGuestConnRefused = 61, kGuestConnReset = 54, kGuestNotSupported = 45;

using Kevent = GuestKevent;

inline Kevent change(std::uint64_t ident, int filter, std::uint32_t flags, std::uint32_t fflags = 0,
                     std::int64_t data = 0, std::uint64_t udata = 0) {
  return {ident, static_cast<std::int16_t>(filter), static_cast<std::uint16_t>(flags), fflags, data, udata,
          {}};
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
    return registry.kevent(
        host, table(),
        {kKeventCodec, queue, guest(in), static_cast<int>(changes.size()), guest(events), room, timeout});
  }
  /// Changes without room for events: the native errno, or 0.
  int apply(std::vector<Kevent> changes) { return apply_to(kq, std::move(changes)); }
  int apply_to(int queue, std::vector<Kevent> changes) {
    const Result result = run(queue, std::move(changes), nullptr, 0, nullptr);
    return result.is_ok() ? 0 : static_cast<int>(result.value());
  }
  /// Events within the time.
  std::vector<Kevent> wait(std::chrono::nanoseconds time = 0ns, int room = 64) {
    return wait_on(kq, time, room);
  }
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

inline sockaddr_in loopback(std::uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = port;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline int listening(sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  address = loopback();
  socklen_t size = sizeof address;
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  REQUIRE(listen(fd, 16) == 0);
  return fd;
}

inline int connecting(const sockaddr_in& address, int flags = 0) {
  const int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (flags == 0) REQUIRE(result == 0);
  return fd;
}

}  // namespace sudrun::test::kqueue
