// poll, ppoll, select, pselect and the old pipe call against the real kernel.
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "abi/bsd/sigset.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/table_freeze.hpp"
#include "abi/table_reader.hpp"
#include "tests/abi/real_host.hpp"

using namespace sudrun::abi;
using namespace sudrun::abi::bsd;
using namespace sudrun::test;

namespace {

const char* const kCommon = R"(
source: {release: "14.0-RELEASE"}
identify: {}
convention: {number: rax, args: [rdi, rsi, rdx, r10, r8, r9], result: rax, error: negative}
errno: {EBADF: 9, EINVAL: 22}
calls: {}
)";

const Table& poll_table() {
  static const std::vector<std::byte> block = [] {
    const std::string native =
        std::string("abi: host\ntitle: host\npersonality: host\n") + kCommon +
        "signals: {SIGHUP: 1, SIGUSR1: 10, SIGUSR2: 12, SIGRTMIN: 34}\n"
        "flags:\n  poll_events: {kind: bits, values: {POLLIN: 1, POLLPRI: 2, POLLOUT: 4, POLLERR: 8, "
        "POLLHUP: 16, "
        "POLLNVAL: 32, POLLRDNORM: 64, POLLRDBAND: 128, POLLWRBAND: 512, POLLRDHUP: 8192}}\n";
    const std::string guest =
        std::string("abi: guest\ntitle: guest\npersonality: guest\n") + kCommon +
        "signals: {SIGHUP: 1, SIGUSR1: 30, SIGUSR2: 31, SIGRT: {value: 126, native: SIGRTMIN}}\n"
        "flags:\n  poll_events: {kind: bits, unknown: ignore, values: {POLLIN: 1, POLLPRI: 2, POLLOUT: 4, "
        "POLLERR: 8, "
        "POLLHUP: 16, POLLNVAL: 32, POLLRDNORM: 64, POLLRDBAND: 128, POLLWRBAND: 256, POLLINIGNEOF: {value: "
        "8192, "
        "native: none}, POLLRDHUP: 16384}}\n";
    return freeze(parse_table(guest, "guest"), parse_table(native, "native"), {});
  }();
  static const Table wrapped = *Table::wrap(block);
  return wrapped;
}

constexpr short kGuestRdHup = 0x4000;

struct GuestPollfd {
  int fd;
  short events;
  short revents;
};

struct World {
  RealHost host;
  GuestArena arena;
  freebsd::FreeBsd personality;
  World() { personality.bind(poll_table()); }

  Result run(std::string_view name, std::array<Word, 6> args) {
    for (const HandlerEntry& entry : poll_handlers()) {
      if (entry.name != name) continue;
      const Entry row{};
      Frame frame;
      std::copy(args.begin(), args.end(), frame.args.begin());
      Call call{host, personality, poll_table(), row, frame};
      return entry.handler(call);
    }
    FAIL("no such handler");
    return Result::ok();
  }
};

Word word(const void* address) { return reinterpret_cast<Word>(address); }

}  // namespace

TEST_CASE("signal sets pass the border in both directions") {
  GuestSigset guest{};
  guest.bits[0] = 1 | 1U << 29;  // SIGHUP, SIGUSR1
  guest.bits[3] = 1U << 29;      // 126
  guest.bits[2] = 1;             // nobody
  const NativeSigset native = native_sigset(poll_table(), guest);
  CHECK(native == (sigbit(1) | sigbit(10) | sigbit(34)));
  const GuestSigset back = guest_sigset(poll_table(), native | sigbit(64));
  CHECK(back.bits[0] == guest.bits[0]);
  CHECK(back.bits[1] == 0);
  CHECK(back.bits[2] == 0);
  CHECK(back.bits[3] == guest.bits[3]);
}

TEST_CASE("poll") {
  World w;
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  auto* fds = w.arena.make<GuestPollfd>(200);
  fds[0] = {ends[0], POLLIN | POLLOUT, 0};
  fds[1] = {-1, POLLIN, 9};
  fds[2] = {999, POLLIN, 0};

  CHECK(w.run("poll", {word(fds), 3, 0}).value() == 2);
  CHECK(fds[0].revents == POLLOUT);
  CHECK(fds[1].revents == 0);
  CHECK(fds[2].revents == POLLNVAL);

  // Bits whose numbers differ.
  shutdown(ends[1], SHUT_WR);
  fds[0] = {ends[0], kGuestRdHup, 0};
  CHECK(w.run("poll", {word(fds), 1, 0}).value() == 1);
  CHECK(fds[0].revents == kGuestRdHup);
  CHECK(fds[0].events == kGuestRdHup);
  for (int i = 0; i < 200; ++i) fds[i] = {ends[0], kGuestRdHup, 0};
  CHECK(w.run("poll", {word(fds), 200, 0}).value() == 200);
  CHECK(fds[199].revents == kGuestRdHup);

  CHECK(w.run("poll", {16, 1, 0}).is_native_error(EFAULT));
  CHECK(w.run("poll", {~Word{0} - 7, 1, 0}).is_native_error(EFAULT));
  CHECK(w.run("poll", {word(fds), 0xffffffff, 0}).is_native_error(EINVAL));
  CHECK(w.run("poll", {word(fds), 1, static_cast<Word>(-2)}).is_native_error(EINVAL));
  w.host.interrupt_next = true;
  fds[0] = {ends[0], POLLPRI, 0};
  CHECK(w.run("poll", {word(fds), 1, static_cast<Word>(-1)}).is_native_error(EINTR));
  const auto start = std::chrono::steady_clock::now();
  CHECK(w.run("poll", {0, 0, 20}).value() == 0);
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(20));
  for (int end : ends) close(end);
}

TEST_CASE("ppoll installs the mask and leaves the timeout alone") {
  World w;
  auto* time = w.arena.make<std::int64_t>(2);
  auto* set = w.arena.make<GuestSigset>();
  set->bits[0] = 1U << 29;
  time[1] = 5'000'000;
  CHECK(w.run("ppoll", {0, 0, word(time), word(set)}).value() == 0);
  CHECK(w.host.has_temporary_mask);
  CHECK(w.host.temporary_mask == sigbit(10));
  CHECK(time[1] == 5'000'000);
  time[1] = 1'000'000'000;
  CHECK(w.run("ppoll", {0, 0, word(time), 0}).is_native_error(EINVAL));
  CHECK(w.run("ppoll", {0, 0, 16, 0}).is_native_error(EFAULT));
  CHECK(w.run("ppoll", {0, 0, 0, 16}).is_native_error(EFAULT));
}

TEST_CASE("select and pselect") {
  World w;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  auto* sets = w.arena.make<std::uint64_t>(64);
  auto* time = w.arena.make<std::int64_t>(2);
  std::uint64_t* in = sets;
  std::uint64_t* out = sets + 32;
  const auto bit = [](std::uint64_t* set, int fd) -> bool { return (set[fd / 64] >> (fd % 64) & 1) != 0; };
  in[ends[0] / 64] |= std::uint64_t{1} << ends[0] % 64;
  out[ends[1] / 64] |= std::uint64_t{1} << ends[1] % 64;
  const auto count = static_cast<Word>(std::max(ends[0], ends[1]) + 1);
  time[1] = 5000;
  CHECK(w.run("select", {count, word(in), word(out), 0, word(time)}).value() == 1);
  CHECK(!bit(in, ends[0]));
  CHECK(bit(out, ends[1]));
  REQUIRE(write(ends[1], "x", 1) == 1);
  in[ends[0] / 64] |= std::uint64_t{1} << ends[0] % 64;
  auto* set = w.arena.make<GuestSigset>();
  CHECK(w.run("pselect", {count, word(in), 0, 0, 0, word(set)}).value() == 1);
  CHECK(bit(in, ends[0]));
  CHECK(w.host.has_temporary_mask);

  CHECK(w.run("select", {0, 0, 0, 0, word(time)}).value() == 0);
  CHECK(time[1] == 5000);
  CHECK(w.run("select", {static_cast<Word>(-1), 0, 0, 0, 0}).is_native_error(EINVAL));
  CHECK(w.run("select", {count, 16, 0, 0, word(time)}).is_native_error(EFAULT));
  CHECK(w.run("select", {count, ~Word{0} - 7, 0, 0, word(time)}).is_native_error(EFAULT));
  time[1] = 1'000'000;
  CHECK(w.run("select", {0, 0, 0, 0, word(time)}).is_native_error(EINVAL));
  for (int end : ends) close(end);
}

TEST_CASE("the old pipe call returns two descriptors") {
  World w;
  const Result made = w.run("pipe_two_results", {});
  REQUIRE(made.is_ok());
  REQUIRE(made.has_value2());
  const int reader = static_cast<int>(made.value()), writer = static_cast<int>(made.value2());
  CHECK(write(writer, "x", 1) == 1);
  char byte = 0;
  CHECK(read(reader, &byte, 1) == 1);
  close(reader);
  close(writer);
}
