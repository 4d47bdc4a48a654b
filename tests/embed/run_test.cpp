// Running foreign code: until its end, a call, a deadline, or when asked; and going on.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/embed/code.hpp"

using namespace std::chrono_literals;
using namespace sudrun;
using namespace sudrun::test;

std::string sudrun::test::guest_file(const std::string& name) {
  const char* directory = std::getenv("SUDRUN_GUESTS");
  if (directory == nullptr) throw std::runtime_error("SUDRUN_GUESTS is not set");
  return std::string(directory) + "/" + name;
}

TEST_CASE("a program runs to its end, with its arguments", "[embed]") {
  const Table table = Table::builtin("freebsd-amd64");
  Guest guest(table);
  std::string said;
  guest.instead(table.call_number("write"), [&](Call call) {
    std::string text(call.argument(2), '\0');
    REQUIRE(call.read(call.argument(1), text.data(), text.size()));
    said += text;
    call.succeed(text.size());
  });
  Thread thread = guest.load_file(guest_file("hello"));
  const Stop stop = thread.run();
  CHECK(stop.reason == SUDRUN_STOP_EXITED);
  CHECK(stop.value == 0);
  CHECK(said == "Hello from FreeBSD\n");
  CHECK_THROWS_AS(thread.run(), Error);
}

TEST_CASE("a program from memory, for the wrong table, and no program at all", "[embed]") {
  std::ifstream file(guest_file("hello"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  Guest guest(Table::builtin("freebsd-amd64")), other(Table::builtin("netbsd-amd64"));
  int calls = 0;
  guest.before(SUDRUN_EVERY_CALL, [&](Call call) {
    ++calls;
    if (call.name() == "write") call.succeed(call.argument(2));
  });
  CHECK(guest.load_memory(bytes.data(), bytes.size(), "hello").run().reason == SUDRUN_STOP_EXITED);
  CHECK(calls == 2);
  CHECK_THROWS_WITH(other.load_memory(bytes.data(), bytes.size(), "hello"),
                    Catch::Contains("is a program for freebsd-amd64") && Catch::Contains("netbsd-amd64"));
  CHECK_THROWS_WITH(guest.load_memory("no program", 10, "it"), Catch::StartsWith("it: "));
  CHECK_THROWS_WITH(guest.load_file("/nowhere"), Catch::Contains("No such file"));
}

TEST_CASE("registers are what the embedder and the code make them", "[embed]") {
  CodeGuest it;
  // add rbx, r12; then a call
  Thread thread = it.thread(code(Bytes{0x4c, 0x01, 0xe3}, mov_eax(kGetpid), kSyscall, kForever));
  Registers registers = thread.registers();
  registers.rbx = 40;
  registers.r12 = 2;
  registers.fs_base = 0x1234000;
  thread.set_registers(registers);
  const Stop stop = thread.run_to_call();
  CHECK(stop.reason == SUDRUN_STOP_CALL);
  CHECK(stop.value == kGetpid);
  CHECK(thread.registers().rbx == 42);
  CHECK(thread.registers().fs_base == 0x1234000);
  thread.current_call().succeed(77);
  CHECK(thread.run_for(1ms).reason == SUDRUN_STOP_DEADLINE);
  CHECK(thread.registers().rax == 77);
  CHECK_THROWS_AS(thread.current_call(), Error);
}

TEST_CASE("each call can be stopped at, and be carried out", "[embed]") {
  CodeGuest it;
  Thread thread = it.thread(code(mov_eax(kGetpid), kSyscall, mov_eax(kGetpid), kSyscall, call1(kExit, 5)));
  for (int i = 0; i < 2; ++i) {
    const Stop stop = thread.run_to_call();
    REQUIRE(stop.reason == SUDRUN_STOP_CALL);
    CHECK(thread.current_call().name() == "getpid");
  }
  CHECK(thread.registers().rax == kGetpid);
  const Stop stop = thread.run_to_call();
  CHECK(thread.current_call().name() == "exit");
  CHECK(stop.value == kExit);
  CHECK(thread.registers().rax == kExit);
  const Stop end = thread.run();
  CHECK(end.reason == SUDRUN_STOP_EXITED);
  CHECK(end.value == 5);
}

TEST_CASE("a loop without an end stops at its deadline, and goes on", "[embed]") {
  CodeGuest it;
  // inc rbx; jmp to it
  Thread thread = it.thread({0x48, 0xff, 0xc3, 0xeb, 0xfb});
  std::uint64_t before = 0;
  for (int round = 0; round < 200; ++round) {
    REQUIRE(thread.run_for(round % 3 == 0 ? 0ns : 100us).reason == SUDRUN_STOP_DEADLINE);
    const std::uint64_t now = thread.registers().rbx;
    REQUIRE(now >= before);
    before = now;
  }
  CHECK(before > 0);
}

TEST_CASE("deadlines come at every place of a call", "[embed]") {
  CodeGuest it;
  // getpid without an end, counted in rbx
  Thread thread = it.thread(code(mov_eax(kGetpid), kSyscall, Bytes{0x48, 0xff, 0xc3, 0xeb, 0xf4}));
  int handled = 0;
  CodeGuest with;
  with.guest.before(kGetpid, [&](Call) { ++handled; });
  Thread handling = with.thread(code(mov_eax(kGetpid), kSyscall, Bytes{0x48, 0xff, 0xc3, 0xeb, 0xf4}));
  for (int round = 0; round < 3000; ++round) {
    REQUIRE(thread.run_for(std::chrono::nanoseconds(round * 7)).reason == SUDRUN_STOP_DEADLINE);
    REQUIRE(handling.run_for(std::chrono::nanoseconds(round * 5)).reason == SUDRUN_STOP_DEADLINE);
  }
  // Wherever it was stopped, a call that was made has been counted, or is about to be.
  const std::uint64_t counted = handling.registers().rbx;
  CHECK(handled > 0);
  CHECK(
      (counted == static_cast<std::uint64_t>(handled) || counted + 1 == static_cast<std::uint64_t>(handled)));
}

TEST_CASE("another thread asks for a stop: in code, in a call that sleeps, and before it runs", "[embed]") {
  CodeGuest it;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::uint64_t buffer = it.guest.map(4096, SUDRUN_READ | SUDRUN_WRITE);
  const Bytes read = code(mov_edi(static_cast<std::uint32_t>(ends[0])), mov_rsi(buffer), mov_edx(1),
                          mov_eax(kRead), kSyscall, call1(kExit, 0));
  const bool sleeps = GENERATE(false, true);
  Thread thread = it.thread(sleeps ? read : kForever);
  thread.suspend();
  CHECK(thread.run().reason == SUDRUN_STOP_ASKED);
  for (int round = 0; round < 100; ++round) {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(round * 20));
      thread.suspend();
    });
    CHECK(thread.run().reason == SUDRUN_STOP_ASKED);
    other.join();
  }
  if (sleeps) {
    REQUIRE(::write(ends[1], "x", 1) == 1);
    CHECK(thread.run().reason == SUDRUN_STOP_EXITED);
    char byte = 0;
    CHECK(it.guest.read(buffer, &byte, 1));
    CHECK(byte == 'x');
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("vector registers survive stops that come on the way in and out", "[embed]") {
  CodeGuest it;
  it.guest.instead(kGetpid, [](Call call) {
    call.suspend();
    call.succeed(0);
  });
  // pxor xmm7, xmm7; mov r12d, 20000; getpid; dec r12d; jnz to the call; movq rdi, xmm7; exit
  Thread thread = it.thread(code(Bytes{0x66, 0x0f, 0xef, 0xff, 0x41, 0xbc}, word32(20000), mov_eax(kGetpid),
                                 kSyscall, Bytes{0x41, 0xff, 0xcc, 0x75, 0xf4, 0x66, 0x48, 0x0f, 0x7e, 0xff},
                                 mov_eax(kExit), kSyscall));
  std::atomic<unsigned> runs{0};
  std::atomic<bool> over{false};
  std::thread other([&] {
    // Not at every run: one that finds itself asked before it begins gets nowhere.
    for (unsigned last = 0, wait = 0; !over; last = runs, wait = (wait + 37) % 1000) {
      while (runs - last < 3 && !over) std::this_thread::yield();
      for (unsigned i = 0; i < wait; ++i) static_cast<void>(over.load());
      thread.suspend();
    }
  });
  Stop stop{};
  do {
    stop = thread.run();
    ++runs;
  } while (stop.reason == SUDRUN_STOP_ASKED);
  over = true;
  other.join();
  CHECK(stop.reason == SUDRUN_STOP_EXITED);
  CHECK(stop.value == 0);
}

TEST_CASE("a thread runs on whichever host thread takes it", "[embed]") {
  CodeGuest it;
  it.guest.instead(kGetpid, [](Call call) {
    call.suspend();
    call.succeed(1);
  });
  Thread thread = it.thread(code(mov_eax(kGetpid), kSyscall, Bytes{0x48, 0xff, 0xc3, 0xeb, 0xf4}));
  REQUIRE(thread.run().reason == SUDRUN_STOP_ASKED);
  for (int round = 0; round < 200; ++round) {
    Stop stop{};
    std::thread([&] { stop = thread.run(); }).join();
    REQUIRE(stop.reason == SUDRUN_STOP_ASKED);
  }
  CHECK(thread.registers().rbx == 200);
}

TEST_CASE("a fault is the guest's end, and says where", "[embed]") {
  CodeGuest it;
  // mov al, [0x10]
  Thread thread = it.thread({0x8a, 0x04, 0x25, 0x10, 0, 0, 0});
  const Stop stop = thread.run();
  CHECK(stop.reason == SUDRUN_STOP_KILLED);
  CHECK(stop.value == SIGSEGV);
  CHECK(stop.address == 0x10);
  CodeGuest other;
  CHECK(other.thread(kTrapHere).run().value == SIGTRAP);
}

TEST_CASE("a signal the guest sends to itself ends it, and not us", "[embed]") {
  CodeGuest it;
  const auto pid = static_cast<std::uint32_t>(::getpid());
  Thread thread = it.thread(code(mov_esi(SIGABRT), call1(kKill, pid), kForever));
  const Stop stop = thread.run();
  CHECK(stop.reason == SUDRUN_STOP_KILLED);
  CHECK(stop.value == SIGABRT);
}

TEST_CASE("the process is not the guest's: no fork, no signals to others", "[embed]") {
  CodeGuest it;
  const int eperm = it.table.error_number("EPERM");
  int failures = 0;
  it.guest.after(SUDRUN_EVERY_CALL, [&](Call call) {
    if (!call.succeeded()) failures += call.result() == static_cast<std::uint64_t>(eperm) ? 1 : 100;
  });
  Thread thread = it.thread(code(mov_eax(kFork), kSyscall, mov_esi(SIGTERM),
                                 call1(kKill, static_cast<std::uint32_t>(::getppid())), call1(kExit, 0)));
  CHECK(thread.run().reason == SUDRUN_STOP_EXITED);
  CHECK(failures == 2);
}

TEST_CASE("Go's runtime, with threads of its own, ends as a whole", "[embed]") {
  const Table table = Table::builtin("freebsd-amd64");
  const char* program = std::getenv("SUDRUN_GO_GUEST");
  REQUIRE(program != nullptr);
  const std::string topic = GENERATE("goroutines", "gc", "thread-exit", "memory", "tcp", "storm");
  Guest guest(table);
  std::atomic<int> calls{0};
  guest.before(SUDRUN_EVERY_CALL, [&](Call) { ++calls; });
  Thread thread = guest.load_file(program, {program, topic}, {"PATH=/bin:/usr/bin"});
  const Stop stop = thread.run();
  CHECK(stop.reason == SUDRUN_STOP_EXITED);
  CHECK(stop.value == 0);
  CHECK(calls > 50);
}

TEST_CASE("a guest with threads is freed in the middle of its work, and its memory is given back",
          "[embed]") {
  const auto mappings = [] {
    std::ifstream maps("/proc/self/maps");
    int count = 0;
    for (std::string line; std::getline(maps, line);)
      if (std::stoull(line.substr(0, line.find('-')), nullptr, 16) < 0x2a0000000000) ++count;
    return count;
  };
  const Table table = Table::builtin("freebsd-amd64");
  const char* program = std::getenv("SUDRUN_GO_GUEST");
  REQUIRE(program != nullptr);
  const std::string topic = GENERATE("memory", "sleep");  // both go on for longer
  const int before = mappings();
  for (int round = 0; round < 5; ++round) {
    Guest guest(table);
    Thread thread = guest.load_file(program, {program, topic});
    CHECK(thread.run_for(std::chrono::milliseconds(5 + 10 * round)).reason == SUDRUN_STOP_DEADLINE);
    CHECK(mappings() > before);
  }
  CHECK(mappings() == before);
}
