#include "tools/syscalls.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include "loader/text.hpp"
#include "tools/values.hpp"

namespace sudrun::tools {
namespace {

constexpr unsigned kMaxStubs = 8;  // one calling the other
constexpr std::size_t kMaxSites = 20'000;
constexpr std::size_t kMaxQuestions = 200'000;
constexpr std::size_t kMaxDoubts = 20;
constexpr std::size_t kNone = ~std::size_t{0};

class Finder {
 public:
  Finder(Functions& functions, const abi::Convention& convention, bool is_go)
      : functions_(functions), convention_(convention), is_go_(is_go) {}

  SyscallReport run() {
    for (const CodeRange& range : functions_.binary().code()) look_through(range);
    return std::move(report_);
  }

 private:
  static bool may_be_call(std::byte first, std::byte second) noexcept {
    const auto pair = std::to_integer<unsigned>(first) << 8 | std::to_integer<unsigned>(second);
    return pair == 0x0f05 || pair == 0x0f34 || pair == 0xcd80;
  }

  void look_through(const CodeRange& range) {
    const loader::CodeWindow window{range.address, range.bytes};
    std::vector<std::pair<Word, Word>> hops;  // two sites may want the same padding
    for (std::size_t at = 0; at + 2 <= range.bytes.size(); ++at) {
      if (!may_be_call(range.bytes[at], range.bytes[at + 1])) continue;
      const Word address = range.address + at;
      functions_.trim();
      const Insn* const insn = functions_.insn_at(address);
      if (insn == nullptr || insn->size != 2) continue;
      if (report_.sites.size() == kMaxSites) {
        report_.remarks.push_back("more than " + std::to_string(kMaxSites) +
                                  " call instructions; the rest is left out");
        return;
      }
      Site site;
      site.address = address;
      if (insn->is_syscall) {
        const loader::RewritePlan plan = loader::plan_rewrite(functions_.disassembler(), window, address,
                                                              std::nullopt, std::nullopt, hops);
        if (plan.rung == loader::Rung::padding) hops.emplace_back(plan.hop, plan.hop + loader::kJumpSize);
        site.rung = plan.rung;
        follow(site);
      } else {
        site.is_syscall = false;
        site.what = insn->id == X86_INS_SYSENTER ? "sysenter" : "int 0x80";
      }
      report_.sites.push_back(std::move(site));
    }
  }

  static void doubt(Site& site, std::string text) {
    if (site.doubts.size() < kMaxDoubts &&
        std::find(site.doubts.begin(), site.doubts.end(), text) == site.doubts.end())
      site.doubts.push_back(std::move(text));
  }

  bool is_indirect(std::uint32_t number) const noexcept {
    return std::any_of(convention_.indirect.begin(), convention_.indirect.end(),
                       [&](std::int16_t i) { return i >= 0 && static_cast<std::uint32_t>(i) == number; });
  }

  void follow(Site& site) {
    const FunctionInfo& function = *functions_.at(site.address);
    const std::size_t index = *functions_.code(function).index_of(site.address);
    indirect_ = false;
    seen_.clear();
    gather(site, function, index, Location::of(convention_.number), 0, site.address, {});
    if (site.uses.empty() && !site.from_caller && site.doubts.empty())
      doubt(site, "no way leads to this code");
    const bool any_indirect = std::any_of(site.uses.begin(), site.uses.end(),
                                          [&](const NumberUse& use) { return is_indirect(use.number); });
    if (!any_indirect) return;
    // syscall(2) itself: the number is the first argument.
    std::erase_if(site.uses, [&](const NumberUse& use) { return is_indirect(use.number); });
    indirect_ = true;
    seen_.clear();
    gather(site, function, index, Location::of(convention_.args[0]), 0, site.address, {});
  }

  /// Adds the numbers that `location`, `added` to it, has before instruction `index` of `function`.
  void gather(Site& site, const FunctionInfo& function, std::size_t index, Location location,
              std::uint32_t added, Word at, const std::vector<Word>& via) {
    if (++questions_ > kMaxQuestions) return doubt(site, "there is too much code to follow");
    for (const Term& term : values_before(functions_, function, index, location, is_go_)) {
      switch (term.kind) {
        case Term::Kind::constant:
          site.uses.push_back({term.value + added, at, via, indirect_});
          break;
        case Term::Kind::parameter:
          site.from_caller = true;
          ask_callers(site, function, term.where, term.value + added, via);
          break;
        case Term::Kind::unknown:
          doubt(site, functions_.label(term.at) + ": " + term.why);
          break;
      }
    }
  }

  void ask_callers(Site& site, const FunctionInfo& function, Location where, std::uint32_t added,
                   std::vector<Word> via) {
    if (!seen_.emplace(function.start, where.on_stack, where.reg, where.place.offset, added).second) return;
    const std::string name = functions_.label(function.start);
    if (function.start == functions_.binary().image().entry)
      doubt(site, name + " is where the program starts: the number would be what the system leaves there");
    if (function.is_exported) doubt(site, name + " is exported: others pass a number to it");
    if (function.is_taken) doubt(site, name + " may be called through a pointer, with any number");
    if (via.size() >= kMaxStubs) return doubt(site, name + " is called through too many others");
    via.insert(via.begin(), function.start);
    for (const Branch& branch : functions_.branches_to(function)) {
      const FunctionInfo* const caller = functions_.at(branch.from);
      if (caller == nullptr) continue;
      const FunctionCode& code = functions_.code(*caller);
      const auto index = code.index_of(branch.from);
      if (!index || code.insns()[*index].target != function.start) continue;  // bytes that only look so
      Location there = where;
      if (where.on_stack) {
        // At a call the return address is still to be pushed; a jump leaves the stack as it is.
        const bool is_call = code.insns()[*index].is_call;
        there.place = code.stack(*index).rsp.plus(where.place.offset - (is_call ? 8 : 0));
      }
      gather(site, *caller, *index, there, added, branch.from, via);
    }
  }

  Functions& functions_;
  const abi::Convention& convention_;
  bool is_go_;
  bool indirect_ = false;
  std::size_t questions_ = 0;
  std::set<std::tuple<Word, bool, std::uint8_t, std::int64_t, std::uint32_t>> seen_;
  SyscallReport report_;
};

}  // namespace

SyscallReport find_syscalls(Functions& functions, const abi::Convention& convention, bool is_go) {
  return Finder(functions, convention, is_go).run();
}

Reach::Reach(const Functions& functions, bool is_go, std::span<const Word> more_roots)
    : functions_(functions), from_(functions.all().size(), kNone) {
  // Who calls whom, by caller.
  std::vector<std::pair<std::size_t, std::size_t>> edges;
  for (const Branch& branch : functions.branches()) {
    const FunctionInfo* const from = functions.at(branch.from);
    const FunctionInfo* const to = functions.at(branch.to);
    if (from != nullptr && to != nullptr) edges.emplace_back(functions.index(*from), functions.index(*to));
  }
  // Code that runs over into the next function, which only assembly does, is not followed.
  std::sort(edges.begin(), edges.end());
  std::deque<std::size_t> todo;
  const auto start_at = [&](const FunctionInfo* function) {
    if (function == nullptr) return;
    const std::size_t i = functions.index(*function);
    if (from_[i] != kNone) return;
    from_[i] = i;
    todo.push_back(i);
  };
  // The shortest way is told, so what is the program's own comes first.
  if (is_go) {
    start_at(functions.named("main.main"));
    for (const FunctionInfo& f : functions.all())
      if (f.name.ends_with(".init") || f.name.find(".init.") != std::string_view::npos) start_at(&f);
    start_at(functions.named("runtime.main"));
  } else {
    start_at(functions.named("main"));
  }
  for (const Word root : more_roots) start_at(functions.at(root));
  start_at(functions.at(functions.binary().image().entry));
  while (!todo.empty()) {
    const std::size_t here = todo.front();
    todo.pop_front();
    for (auto edge = std::lower_bound(edges.begin(), edges.end(), std::pair{here, std::size_t{0}});
         edge != edges.end() && edge->first == here; ++edge) {
      if (from_[edge->second] != kNone) continue;
      from_[edge->second] = here;
      todo.push_back(edge->second);
    }
  }
}

std::vector<Word> Reach::way_to(Word address) const {
  std::vector<Word> way;
  const FunctionInfo* const function = functions_.at(address);
  if (function == nullptr) return way;
  std::size_t i = functions_.index(*function);
  if (from_[i] == kNone) return way;
  for (;;) {
    way.insert(way.begin(), functions_.all()[i].start);
    if (from_[i] == i) return way;
    i = from_[i];
  }
}

}  // namespace sudrun::tools
