// How the program ends is how sudrun ends.
#include <signal.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

// FreeBSD's number and Linux's, where both systems have the signal.
struct SignalPair {
  int guest, native;
};
constexpr SignalPair kDeadly[] = {
    {1, SIGHUP},   {2, SIGINT},     {3, SIGQUIT},  {4, SIGILL},   {5, SIGTRAP},  {6, SIGABRT},  {8, SIGFPE},
    {9, SIGKILL},  {10, SIGBUS},    {11, SIGSEGV}, {13, SIGPIPE}, {14, SIGALRM}, {15, SIGTERM}, {24, SIGXCPU},
    {25, SIGXFSZ}, {26, SIGVTALRM}, {27, SIGPROF}, {30, SIGUSR1}, {31, SIGUSR2},
};
constexpr int kHarmless[] = {16, 19, 20, 23, 28, 29};  // URG CONT CHLD IO WINCH INFO

}  // namespace

TEST_CASE("every exit status is passed on", "[death]") {
  for (const int status : {0, 1, 2, 42, 125, 126, 127, 128, 200, 255, 256, 257, -1}) {
    const Outcome outcome = run_sudrun({guest("death"), "exit", std::to_string(status)});
    INFO(outcome);
    CHECK(outcome.exited(status & 0xff));
    CHECK(outcome.err.empty());
  }
}

TEST_CASE("death by a signal is passed on", "[death]") {
  for (const SignalPair& pair : kDeadly) {
    for (const char* how : {"signal", "thread"}) {
      const Outcome outcome = run_sudrun({guest("death"), how, std::to_string(pair.guest)});
      INFO("guest signal " << pair.guest << " by " << how << ": " << outcome);
      CHECK(outcome.killed_by(pair.native));
      CHECK(outcome.out == "before\n");
      CHECK(outcome.err.empty());
    }
  }
}

TEST_CASE("signals Linux lacks kill with their stand-in", "[death]") {
  for (const int guest_signal : {7, 12, 32, 33, 65, 80}) {  // EMT SYS THR LIBRT and realtime ones
    const Outcome outcome = run_sudrun({guest("death"), "signal", std::to_string(guest_signal)});
    INFO("guest signal " << guest_signal << ": " << outcome);
    CHECK(outcome.signal >= SIGRTMIN);
    CHECK(outcome.out == "before\n");
  }
}

TEST_CASE("signals that are ignored by default or on request do nothing", "[death]") {
  for (const int guest_signal : kHarmless) {
    const Outcome outcome = run_sudrun({guest("death"), "signal", std::to_string(guest_signal)});
    INFO("guest signal " << guest_signal << ": " << outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == "before\nafter\n");
  }
  for (const SignalPair& pair : kDeadly) {
    if (pair.native == SIGKILL) continue;
    const Outcome outcome = run_sudrun({guest("death"), "ignored", std::to_string(pair.guest)});
    INFO("guest signal " << pair.guest << ": " << outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == "before\nafter\n");
  }
}

TEST_CASE("faults kill with FreeBSD's signal", "[death]") {
  const std::pair<const char*, int> kinds[] = {
      {"null", SIGSEGV},  {"jump", SIGSEGV}, {"privileged", SIGBUS}, {"illegal", SIGILL},
      {"divide", SIGFPE}, {"trap", SIGTRAP}, {"int80", SIGSYS}};
  for (const auto& [kind, signal] : kinds) {
    const Outcome outcome = run_sudrun({guest("death"), kind});
    INFO(kind << ": " << outcome);
    CHECK(outcome.killed_by(signal));
    CHECK(outcome.out == "before\n");
    CHECK_FALSE(contains(outcome.err, "internal error"));
  }
}

TEST_CASE("a stack overflow without an alternate stack is SIGILL", "[death]") {
  const Outcome outcome = run_sudrun({guest("death"), "stack"});
  INFO(outcome);
  CHECK(outcome.killed_by(SIGILL));
  CHECK_FALSE(contains(outcome.err, "internal error"));
}

TEST_CASE("a signal from outside kills too", "[death]") {
  // The shell starts sudrun, lets it run, and sends the signal to it.
  for (const auto& [name, number] : {std::pair{"TERM", SIGTERM}, {"KILL", SIGKILL}, {"HUP", SIGHUP}}) {
    Command command = sudrun_command({guest("threads"), "signal_storm"});
    std::string line;
    for (const std::string& word : command.argv) line += "'" + word + "' ";
    command.argv = {"sh", "-c", line + "& sleep 0.2; kill -" + name + " $!; wait $!; exit $?"};
    const Outcome outcome = run(command);
    INFO(name << ": " << outcome);
    CHECK(outcome.exited(128 + number));
  }
}
