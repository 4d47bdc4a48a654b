// The smallest embedder in C++: runs a FreeBSD program inside this process, and says how it ended.
//   c++ -std=c++17 run.cpp $(pkg-config --cflags --libs sudrun)
#include <cstdio>
#include <sudrun/sudrun.hpp>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: run PROGRAM [ARGUMENTS...]\n");
    return 2;
  }
  try {
    const sudrun::Table table = sudrun::Table::builtin("freebsd-amd64");
    sudrun::Guest guest(table);
    int calls = 0;
    guest.before(SUDRUN_EVERY_CALL, [&calls](sudrun::Call) { ++calls; });
    sudrun::Thread thread = guest.load_file(argv[1], {argv + 1, argv + argc});
    const sudrun::Stop stop = thread.run();
    std::printf("%s with %lld after %d calls\n", stop.reason == SUDRUN_STOP_EXITED ? "exited" : "stopped",
                static_cast<long long>(stop.value), calls);
    return stop.reason == SUDRUN_STOP_EXITED ? static_cast<int>(stop.value) : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "run: %s\n", error.what());
    return 1;
  }
}
