// Programs of several systems at once: each starts the next, with pipes between them (guests/bsd/chain.c).
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

struct Link {
  std::string name;
  std::string program;
};

std::vector<Link> links() {
  return {{"dragonfly", guest("dragonfly-chain")},
          {"freebsd", guest("chain")},
          {"netbsd", guest("netbsd-chain")}};
}

/// A chain of `systems` that ends with the command `last`, which puts out `middle` behind what it gets.
void check_chain(const std::vector<Link>& systems, std::vector<std::string> last, const std::string& middle,
                 int status) {
  std::vector<std::string> command;
  std::string inwards, outwards;
  for (const Link& link : systems) {
    command.insert(command.end(), {link.program, link.name});
    inwards += link.name + "\n";
    outwards.insert(0, link.name + "\n");
  }
  command.insert(command.end(), last.begin(), last.end());
  Command chain = sudrun_command(command);
  chain.input = "begin\n";
  const Outcome outcome = run(chain);
  INFO(outcome);
  CHECK(outcome.exited(status));
  CHECK(outcome.err.empty());
  CHECK(outcome.out == "begin\n" + inwards + middle + outwards);
}

}  // namespace

TEST_CASE("programs of three systems and a native one start each other, in every order", "[several]") {
  std::vector<Link> order = links();
  const auto by_name = [](const Link& a, const Link& b) { return a.name < b.name; };
  do {
    check_chain(order, {"/bin/cat"}, "", 0);
  } while (std::next_permutation(order.begin(), order.end(), by_name));
}

TEST_CASE("a native program linked to fixed addresses ends a chain of two systems", "[several]") {
  const std::string kind = GENERATE("", "-dynamic");
  check_chain({links()[1], links()[2]}, {guest("linux-chain-end" + kind), "native"}, "native\n", 3);
}

TEST_CASE("a native shell in a chain starts foreign programs", "[several]") {
  const Link freebsd = links()[1], netbsd = links()[2];
  check_chain({freebsd},
              {"/bin/sh", "-c", "\"$0\" netbsd /bin/cat | \"$1\" dragonfly /bin/cat; exit 4", netbsd.program,
               links()[0].program},
              "netbsd\nnetbsd\ndragonfly\ndragonfly\n", 4);
}
