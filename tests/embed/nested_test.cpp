// Guests that are run in the handlers of others, and calls that are looked at outside of handlers.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <thread>

#include "tests/embed/code.hpp"

using namespace sudrun;
using namespace sudrun::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kLinuxGetpid = 39, kLinuxExit = 60;

/// Exits with what getpid says. All bits of xmm7 are set on the way.
Bytes exit_with_getpid(std::uint32_t getpid, std::uint32_t exit) {
  return code(Bytes{0x66, 0x0f, 0x76, 0xff}, mov_eax(getpid), kSyscall, Bytes{0x89, 0xc7}, mov_eax(exit),
              kSyscall);
}

/// Calls getpid `times` times, adds up what it says in rbx, and exits with that and what xmm7 holds, which
/// began as 0.
Bytes sum_of_getpids(std::uint32_t times) {
  return code(Bytes{0x66, 0x0f, 0xef, 0xff, 0x31, 0xdb, 0x41, 0xbc}, word32(times), mov_eax(kGetpid),
              kSyscall,
              Bytes{0x01, 0xc3, 0x41, 0xff, 0xcc, 0x75, 0xf2},  // add ebx, eax; dec r12d; jnz to the call
              Bytes{0x66, 0x48, 0x0f, 0x7e, 0xff, 0x01, 0xdf},  // movq rdi, xmm7; add edi, ebx
              mov_eax(kExit), kSyscall);
}

/// Runs a whole guest that says `value`, of a system that changes with it.
std::uint64_t inner_guest(std::uint64_t value) {
  const bool linux_too = value % 2 != 0;
  CodeGuest it(linux_too ? "linux-amd64" : "freebsd-amd64");
  it.guest.instead(linux_too ? kLinuxGetpid : kGetpid, [&](Call call) { call.succeed(value); });
  const Stop stop =
      it.thread(linux_too ? exit_with_getpid(kLinuxGetpid, kLinuxExit) : exit_with_getpid(kGetpid, kExit))
          .run();
  // No assertion: this runs on many threads.
  return static_cast<std::uint64_t>(stop.value) +
         (stop.reason == SUDRUN_STOP_EXITED ? 0 : 1000 * stop.reason);
}

/// A chain of guests, each run in the handler of the one before.
std::uint64_t chain(unsigned depth) {
  if (depth == 0) return 1;
  CodeGuest it;
  it.guest.instead(kGetpid, [&](Call call) { call.succeed(chain(depth - 1)); });
  const Stop stop = it.thread(sum_of_getpids(2)).run();
  REQUIRE(stop.reason == SUDRUN_STOP_EXITED);
  return static_cast<std::uint64_t>(stop.value);
}

/// What ends a child process that does `todo`.
int death_of(const std::function<void()>& todo) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGABRT, SIG_DFL);
    ::close(2);
    todo();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("a handler runs another guest, and both go on", "[embed]") {
  CodeGuest outer;
  std::uint64_t round = 0, sum = 0;
  outer.guest.instead(kGetpid, [&](Call call) {
    const std::uint64_t said = inner_guest(round++ % 3);
    sum += said;
    call.succeed(said);
  });
  const Stop stop = outer.thread(sum_of_getpids(200)).run();
  CHECK(stop.reason == SUDRUN_STOP_EXITED);
  CHECK(round == 200);
  CHECK(stop.value == static_cast<std::int64_t>(sum & 0xff));
}

TEST_CASE("guests within guests, seven deep", "[embed]") { CHECK(chain(7) == 128); }

TEST_CASE("a guest within another stops and goes on, in whichever handler", "[embed]") {
  CodeGuest inner, outer;
  inner.guest.instead(kGetpid, [](Call call) {
    call.suspend();
    call.succeed(1);
  });
  Thread within = inner.thread(sum_of_getpids(100));
  int stops = 0;
  outer.guest.instead(kGetpid, [&](Call call) {
    stops += within.run().reason == SUDRUN_STOP_ASKED ? 1 : 0;
    call.suspend();
    call.succeed(1);
  });
  Thread thread = outer.thread(sum_of_getpids(90));
  for (int round = 0; round < 90; ++round) REQUIRE(thread.run().reason == SUDRUN_STOP_ASKED);
  CHECK(thread.run().value == 90);
  CHECK(stops == 90);
  for (int round = 0; round < 10; ++round) REQUIRE(within.run().reason == SUDRUN_STOP_ASKED);
  CHECK(within.run().value == 100);
}

TEST_CASE("a deadline that passes while a guest within runs is kept, and does not cut its call short",
          "[embed]") {
  CodeGuest inner, outer;
  const std::uint64_t wait = inner.guest.map(4096, SUDRUN_READ | SUDRUN_WRITE);
  const std::uint64_t time[2] = {0, 60'000'000};
  REQUIRE(inner.guest.write(wait, time, sizeof time));
  // nanosleep(wait, 0), and its error, if any, is the status
  const Bytes sleeps = code(mov_rdi(wait), mov_esi(0), mov_eax(kNanosleep), kSyscall, Bytes{0x89, 0xc7},
                            mov_eax(kExit), kSyscall);
  Stop slept{};
  std::chrono::nanoseconds took{};
  outer.guest.instead(kGetpid, [&](Call call) {
    const auto start = std::chrono::steady_clock::now();
    slept = inner.thread(sleeps).run();
    took = std::chrono::steady_clock::now() - start;
    call.succeed(1);
  });
  Thread thread = outer.thread(sum_of_getpids(1));
  CHECK(thread.run_for(10ms).reason == SUDRUN_STOP_DEADLINE);
  CHECK(slept.reason == SUDRUN_STOP_EXITED);
  CHECK(slept.value == 0);
  CHECK(took >= 60ms);
  const Stop end = thread.run();
  CHECK(end.reason == SUDRUN_STOP_EXITED);
  CHECK(end.value == 1);
}

TEST_CASE("a guest within has a deadline of its own", "[embed]") {
  CodeGuest inner, outer;
  Thread within = inner.thread({0x48, 0xff, 0xc3, 0xeb, 0xfb});  // inc rbx; jmp to it
  outer.guest.instead(kGetpid, [&](Call call) {
    call.succeed(within.run_for(200us).reason == SUDRUN_STOP_DEADLINE ? 1 : 0);
  });
  CHECK(outer.thread(sum_of_getpids(100)).run_for(60s).value == 100);
  CHECK(within.registers().rbx > 0);
}

TEST_CASE("handlers on threads that the guest has made run guests too", "[embed]") {
  const Table table = Table::builtin("freebsd-amd64");
  const char* program = std::getenv("SUDRUN_GO_GUEST");
  REQUIRE(program != nullptr);
  Guest guest(table);
  std::atomic<unsigned> calls{0};
  std::atomic<std::uint64_t> wrong{0};
  guest.before(SUDRUN_EVERY_CALL, [&](Call) {
    const unsigned number = ++calls;
    if (number % 50 != 0) return;
    if (const std::uint64_t said = inner_guest(number % 7); said != number % 7) wrong = said;
  });
  const Stop stop = guest.load_file(program, {program, "goroutines"}, {"PATH=/bin:/usr/bin"}).run();
  CHECK(stop.reason == SUDRUN_STOP_EXITED);
  CHECK(stop.value == 0);
  CHECK(calls > 50);
  CHECK(wrong == 0);
}

TEST_CASE("an exception on a thread that the guest has made comes out of run", "[embed]") {
  const Table table = Table::builtin("freebsd-amd64");
  const char* program = std::getenv("SUDRUN_GO_GUEST");
  REQUIRE(program != nullptr);
  Guest guest(table);
  const std::thread::id main_thread = std::this_thread::get_id();
  guest.before(SUDRUN_EVERY_CALL, [&](Call) {
    if (std::this_thread::get_id() != main_thread) throw std::range_error("on a thread of the guest's");
  });
  CHECK_THROWS_AS(guest.load_file(program, {program, "goroutines"}, {"PATH=/bin:/usr/bin"}).run(),
                  std::range_error);
}

TEST_CASE("guests do not get in each other's way in memory", "[embed]") {
  CodeGuest large;
  large.guest.map(std::size_t{1} << 40, 0);
  for (int i = 0; i < 100; ++i) CHECK(inner_guest(5) == 5);
}

TEST_CASE("what would tangle two guests is refused", "[embed]") {
  CodeGuest inner, outer;
  const std::uint64_t returns = outer.place(kRet);
  Thread thread = outer.thread(sum_of_getpids(1));
  sudrun_stop stop{};
  sudrun_registers registers{};
  int refused = 0;
  const auto expect_state = [&](sudrun_status status) { refused += status == SUDRUN_E_STATE ? 1 : 0; };
  inner.guest.instead(kGetpid, [&](Call call) {
    expect_state(sudrun_thread_run(thread.get(), 0, SUDRUN_FOREVER, &stop, nullptr));
    expect_state(sudrun_thread_call(thread.get(), returns, nullptr, 0, nullptr, &stop, nullptr));
    expect_state(sudrun_thread_registers(thread.get(), &registers));
    expect_state(sudrun_guest_free(sudrun_call_guest(outer.guest.get() == nullptr ? nullptr : call.get())));
    expect_state(sudrun_guest_free(outer.guest.get()));
    call.succeed(3);
  });
  outer.guest.instead(kGetpid, [&](Call call) {
    expect_state(sudrun_thread_run(thread.get(), 0, SUDRUN_FOREVER, &stop, nullptr));
    call.succeed(static_cast<std::uint64_t>(inner.thread(sum_of_getpids(1)).run().value));
  });
  CHECK(thread.run().value == 3);
  CHECK(refused == 6);
}

TEST_CASE("a guest is not freed by a handler on a thread it has made", "[embed]") {
  const Table table = Table::builtin("freebsd-amd64");
  const char* program = std::getenv("SUDRUN_GO_GUEST");
  REQUIRE(program != nullptr);
  Guest guest(table);
  std::atomic<int> refused{0};
  guest.before(SUDRUN_EVERY_CALL, [&](Call call) {
    if (sudrun_guest_free(sudrun_call_guest(call.get())) == SUDRUN_E_STATE) ++refused;
  });
  CHECK(guest.load_file(program, {program, "thread-exit"}, {"PATH=/bin:/usr/bin"}).run().value == 0);
  CHECK(refused > 50);
}

TEST_CASE("the arguments of a call that a thread stands before are read, and bad pointers told", "[embed]") {
  CodeGuest it;
  const std::uint64_t pages = it.guest.map(8192, SUDRUN_READ | SUDRUN_WRITE);
  it.guest.protect(pages + 4096, 4096, 0);
  REQUIRE(it.guest.write(pages + 4093, "ab", 3));
  const Bytes writes = code(mov_edi(1), mov_rsi(pages + 4093), mov_edx(2), mov_eax(kWrite), kSyscall);
  Thread thread = it.thread(writes);
  REQUIRE(thread.run_to_call().reason == SUDRUN_STOP_CALL);
  Call call = thread.current_call();
  CHECK(call.read_string(call.argument(1)) == "ab");
  CHECK(sudrun_call_read_string(call.get(), pages + 4093, std::array<char, 2>{}.data(), 2) ==
        SUDRUN_E_MEMORY);
  CHECK_FALSE(call.read_string(pages + 4096).has_value());
  char bytes[4];
  CHECK(call.read(pages + 4092, bytes, sizeof bytes));
  CHECK_FALSE(call.read(pages + 4094, bytes, sizeof bytes));
  CHECK_FALSE(call.read(8, bytes, sizeof bytes));
  CHECK_FALSE(call.write(pages + 4096, bytes, sizeof bytes));
  CHECK(call.write(pages, bytes, sizeof bytes));
}

TEST_CASE("what only a handler may do ends the process elsewhere, and does not ruin it", "[embed]") {
  CodeGuest it;
  Thread thread = it.thread(exit_with_getpid(kGetpid, kExit));
  REQUIRE(thread.run_to_call().reason == SUDRUN_STOP_CALL);
  sudrun_call* const call = thread.current_call().get();
  CHECK(death_of([&] { sudrun_call_suspend(call); }) == SIGABRT);
  CHECK(death_of([&] { sudrun_call_proceed(call); }) == SIGABRT);
  CHECK(death_of([&] { sudrun_call_exit(call, 0); }) == SIGABRT);
  CHECK(death_of([&] { sudrun_thread_exit(thread.get(), 0); }) == SIGABRT);
  CHECK(death_of([] {}) == 0);
}
