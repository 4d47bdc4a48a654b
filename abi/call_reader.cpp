#include "abi/call_reader.hpp"

#include <algorithm>

#include "abi/role_text.hpp"

namespace sudrun::abi {

namespace {

constexpr int kMaxNumber = 65535;
constexpr std::size_t kMaxNativeArgs = 6;
constexpr std::uint64_t kMaxLiteralCount = 127;

template <typename Rows>
bool has_name(const Rows& rows, const std::string& name) {
  return std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
}

/// True for roles whose value, or the value they point to, can be a count.
bool counts(const RoleModel& role) {
  switch (role.kind) {
    case RoleKind::int_:
    case RoleKind::uint_:
    case RoleKind::long_:
    case RoleKind::ulong_:
    case RoleKind::size:
    case RoleKind::ssize:
    case RoleKind::off:
    case RoleKind::hex:
      return true;
    case RoleKind::in_struct:
    case RoleKind::out_struct:
    case RoleKind::inout_struct:
      return scalar_type_of(role.type).has_value();
    default:
      return false;
  }
}

void check_counts(const std::vector<ArgModel>& args, const TableModel& table) {
  for (const ArgModel& arg : args) {
    if (!has_count(arg.role.kind)) continue;
    const std::string& count = arg.role.count;
    const auto fail = [&](const std::string& message) {
      throw TableError(table.file, arg.role.where, message);
    };
    if (const auto literal = parse_integer(count)) {
      if (literal->negative || literal->magnitude > kMaxLiteralCount)
        fail("`" + count + "` cannot be a count; expected an argument or 0 to 127");
      continue;
    }
    const auto counter =
        std::find_if(args.begin(), args.end(), [&](const ArgModel& a) { return a.name == count; });
    if (counter == args.end())
      fail("`" + arg.name + "` is counted by `" + count +
           "`, which is not an argument of the call; expected one that is");
    if (!counts(counter->role))
      fail("`" + arg.name + "` is counted by `" + count +
           "`, which is not a number; expected a number, or a pointer to one");
  }
}

std::vector<ArgModel> read_args(const YamlValue& value, const TableModel& table) {
  std::vector<ArgModel> args;
  for (const YamlMap::Item& item : value.map().items()) {
    if (args.size() == kMaxArgs) item.key.fail("more than 8 arguments; expected at most 8");
    // An unquoted role with a comma falls apart into two keys.
    if (!is_identifier(item.key.name())) {
      item.key.fail("`" + item.key.name() +
                    "` is not an argument's name; expected letters, digits and underscores "
                    "(a role with a `,` or a `?` stands in quotes)");
    }
    ArgModel arg{item.key.name(), read_role(item.value, table), item.key.where()};
    if (arg.role.kind == RoleKind::none)
      item.value.fail("`none` is not a role of arguments; expected `returns: none`");
    if (arg.role.kind == RoleKind::length || arg.role.kind == RoleKind::signal_set)
      item.value.fail("`" + item.value.text() + "` is not a role of arguments; expected it in fields only");
    args.push_back(std::move(arg));
  }
  check_counts(args, table);
  return args;
}

RoleModel read_returns(const YamlValue* value, const TableModel& table) {
  RoleModel role;
  role.kind = RoleKind::int_;
  if (value == nullptr) return role;
  role = read_role(*value, table);
  const bool scalar = !is_pointer_role(role.kind) || role.kind == RoleKind::ptr;
  if (!scalar || role.nullable)
    value->fail("`" + value->text() + "` cannot be returned; expected a scalar role, a flag set or `none`");
  return role;
}

std::vector<NativeArg> read_native_args(const YamlValue& value, const std::vector<ArgModel>& args) {
  std::vector<NativeArg> native_args;
  for (const YamlValue& item : value.list()) {
    const std::string text = item.text();
    if (parse_integer(text)) {
      native_args.emplace_back(item.word());
      continue;
    }
    if (!has_name(args, text))
      item.fail("`" + text + "` is not an argument of the call; expected an argument's name or an integer");
    native_args.emplace_back(text);
  }
  return native_args;
}

std::vector<std::string> read_operations(const YamlValue& value) {
  std::vector<std::string> names;
  for (const YamlValue& item : value.list()) names.push_back(item.identifier());
  return names;
}

FutexModel read_futex(const YamlValue& value, const TableModel& table) {
  constexpr std::int64_t kMaxSleep = 1'000'000'000;  // microseconds
  using Kind = FutexModel::Kind;
  const YamlMap map = value.map();
  FutexModel futex;
  futex.where = value.where();
  futex.kind = map.find("by") != nullptr      ? Kind::operations
               : map.find("count") != nullptr ? Kind::wake
                                              : Kind::sleep;
  const auto args = [&](std::initializer_list<const char*> keys) {
    for (const char* const key : keys) futex.args.push_back(map.require(key).identifier());
  };
  const auto error = [&](const char* key) {
    const YamlValue* const name = map.find(key);
    if (name == nullptr) return std::string();
    if (!has_name(table.errnos, name->identifier()))
      name->fail("`" + name->identifier() + "` is not in `errno`; expected an error of this table");
    return name->identifier();
  };
  switch (futex.kind) {
    case Kind::operations:
      map.allow_only({"word", "by", "value", "wait", "wake"});
      args({"word", "by", "value"});
      futex.wait = read_operations(map.require("wait"));
      futex.wake = read_operations(map.require("wake"));
      break;
    case Kind::sleep:
      map.allow_only({"word", "value", "limit", "longest", "differs", "late", "fault"});
      args({"word", "value", "limit"});
      futex.longest = static_cast<std::uint32_t>(map.require("longest").integer(1, kMaxSleep));
      break;
    case Kind::wake:
      map.allow_only({"word", "count", "fault"});
      args({"word", "count"});
      break;
  }
  futex.differs = error("differs");
  futex.late = error("late");
  futex.fault = error("fault");
  return futex;
}

/// Sets action and target; exactly one action, or none.
void read_action(const YamlMap& row, CallModel& call, const TableModel& table) {
  struct Choice {
    const char* key;
    Action action;
  };
  constexpr Choice kChoices[] = {
      {"native", Action::native}, {"handler", Action::handler}, {"error", Action::error}};
  for (const Choice& choice : kChoices) {
    const YamlValue* const target = row.find(choice.key);
    if (target == nullptr) continue;
    if (call.action != Action::unsupported)
      target->fail("`" + call.name + "` has more than one action; expected one of native, handler, error");
    call.action = choice.action;
    call.target = target->identifier();
    call.target_where = target->where();
    if (choice.action == Action::error && !has_name(table.errnos, call.target))
      target->fail("`" + call.target + "` is not in `errno`; expected an error of this table");
  }
}

}  // namespace

RoleModel read_role(const YamlValue& value, const TableModel& table) {
  if (!value.is_scalar() || value.text().empty())
    value.fail("`" + value.name() +
               "` has no role; expected one, in quotes inside `{…}` if it has a `,` or a `?`");
  RoleText text = parse_role(value.text());
  if (!text.error.empty()) value.fail(text.error);
  RoleModel& role = text.role;
  role.where = value.where();
  if (role.kind == RoleKind::flags && !has_name(table.flags, role.type))
    value.fail("`" + role.type +
               "` is not a role; expected a role of tables/README.md or a flag set of this table");
  if (!has_type(role.kind)) return role;

  const auto scalar = scalar_type_of(role.type);
  const bool is_integer = scalar && scalar_size(*scalar) != 0 && *scalar < ScalarType::chars;
  const bool is_records = role.kind == RoleKind::in_records || role.kind == RoleKind::out_records;
  if ((!is_integer || is_records) && !has_name(table.structs, role.type))
    value.fail("`" + role.type + "` is not a type; expected i8…u64 or a structure of this table");
  return role;
}

CallModel read_call(const YamlMap::Item& item, const TableModel& table) {
  const YamlMap row = item.value.map();
  row.allow_only({"name", "args", "returns", "native", "native_args", "handler", "error", "interrupt",
                  "futex", "support", "note"});
  CallModel call;
  call.where = item.key.where();
  call.number = static_cast<unsigned>(item.key.integer(0, kMaxNumber));
  call.name = row.require("name").identifier();
  if (const YamlValue* const args = row.find("args")) call.args = read_args(*args, table);
  call.returns = read_returns(row.find("returns"), table);
  read_action(row, call, table);

  if (const YamlValue* const native_args = row.find("native_args")) {
    if (call.action != Action::native) native_args->fail("`native_args` without `native`; expected both");
    call.native_args = read_native_args(*native_args, call.args);
  }
  if (call.action == Action::native) {
    const std::size_t count = call.native_args ? call.native_args->size() : call.args.size();
    if (count > kMaxNativeArgs)
      item.key.fail("`" + call.name + "` has " + std::to_string(count) +
                    " native arguments; expected at most 6");
  }

  if (const YamlValue* const futex = row.find("futex")) {
    if (call.action != Action::handler) futex->fail("`futex` without `handler`; expected both");
    call.futex = read_futex(*futex, table);
  }

  const std::size_t in_registers = table.convention.argc;
  if (call.args.size() > in_registers && table.convention.stack_args == 0) {
    item.key.fail("`" + call.name + "` has " + std::to_string(call.args.size()) +
                  " arguments and the convention has " + std::to_string(in_registers) +
                  " registers and no `stack_args`; expected fewer arguments");
  }

  const YamlValue& support = row.require("support");
  call.support = static_cast<Support>(support.choice({"none", "partial", "full"}));
  if (call.support != Support::none && call.action == Action::unsupported) {
    support.fail("`" + call.name + "` has no action; expected native, handler or error, or `support: none`");
  }
  if (const YamlValue* const note = row.find("note")) call.note = note->text();
  if (call.support != Support::full && call.note.empty())
    item.key.fail("`" + call.name + "` has no `note`; expected one below full support");
  if (const YamlValue* const interrupt = row.find("interrupt"))
    call.interrupt_fails = interrupt->choice({"restart", "fail"}) == 1;
  return call;
}

}  // namespace sudrun::abi
