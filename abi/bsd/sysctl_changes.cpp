// Nodes of the sysctl tree whose values a table gives.
#include "abi/bsd/sysctl_changes.hpp"

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/sysctl_values.hpp"

namespace sudrun::abi::bsd {

namespace {

NodeForm::Kind kind_of(CtlType type) noexcept {
  switch (type) {
    case CtlType::int_:
    case CtlType::uint:
      return NodeForm::Kind::number32;
    case CtlType::long_:
    case CtlType::ulong:
    case CtlType::s64:
    case CtlType::u64:
      return NodeForm::Kind::number64;
    case CtlType::string:
      return NodeForm::Kind::text;
    default:
      return NodeForm::Kind::other;
  }
}

void change(SysctlNode& node, const SysctlValue& value, const Table& table) noexcept {
  if (value.is_text != 0) {
    node.provider = sysctl_values::constant_text;
    node.text = table.string(value.text).data();
    return;
  }
  const bool narrow = kind_of(node.type) == NodeForm::Kind::number32;
  node.provider = narrow ? sysctl_values::number32 : sysctl_values::number64;
  node.value = narrow ? static_cast<std::int32_t>(value.number) : value.number;  // its bits, if unsigned
}

}  // namespace

const SysctlTree& Bsd::sysctls() const noexcept {
  return changed_sysctls_ ? changed_sysctls_->tree : sysctl_tree();
}

std::vector<NodeForm> Bsd::nodes() const {
  std::vector<NodeForm> forms;
  for (const SysctlNode& node : sysctl_tree().nodes()) forms.push_back({node.name, kind_of(node.type)});
  return forms;
}

void Bsd::change_sysctls(const Table& table) {
  changed_sysctls_.reset();
  if (table.sysctls().empty()) return;
  changed_sysctls_ = std::make_unique<ChangedSysctls>(sysctl_tree());
  for (const SysctlValue& value : table.sysctls())
    for (SysctlNode& node : changed_sysctls_->nodes)
      if (node.name == table.string(value.name)) change(node, value, table);
}

}  // namespace sudrun::abi::bsd
