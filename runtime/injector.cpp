#include "runtime/injector.hpp"

#include <algorithm>
#include <utility>

namespace sudrun::runtime {

Injector::Injector(std::vector<abi::Injection> injections) {
  rules_.reserve(injections.size());
  for (abi::Injection& injection : injections) {
    const std::size_t rows = injection.calls.size() + 1;
    rules_.push_back({std::move(injection), std::make_unique<std::atomic<std::uint64_t>[]>(rows)});
  }
}

std::atomic<std::uint64_t>& Injector::count(const Rule& rule, const abi::Entry& entry) const noexcept {
  return rule.counts[std::min(rule.injection.calls.position(entry), rule.injection.calls.size())];
}

Injector::Plan Injector::plan(const abi::Entry& entry) noexcept {
  Plan plan;
  for (const Rule& rule : rules_) {
    const abi::Injection& injection = rule.injection;
    if (!injection.calls.contains(entry)) continue;
    if (!injection.due(count(rule, entry).fetch_add(1, std::memory_order_relaxed) + 1)) continue;
    plan.changes = true;
    if (!plan.instead) plan.instead = injection.instead;
    plan.delay_enter += injection.delay_enter;
    plan.delay_exit += injection.delay_exit;
    if (injection.signal != 0) plan.signal = injection.signal;
    if (injection.at_most)
      plan.at_most = std::min(plan.at_most.value_or(*injection.at_most), *injection.at_most);
  }
  return plan;
}

void Injector::forget(const abi::Entry& entry) noexcept {
  for (const Rule& rule : rules_)
    if (rule.injection.calls.contains(entry)) count(rule, entry).fetch_sub(1, std::memory_order_relaxed);
}

void Injector::forked() noexcept {
  for (const Rule& rule : rules_)
    for (std::size_t i = 0; i <= rule.injection.calls.size(); ++i) rule.counts[i] = 0;
}

}  // namespace sudrun::runtime
