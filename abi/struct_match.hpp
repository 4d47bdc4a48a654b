// The guest's structures next to their native namesakes, field by field. Part of freeze().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// A field without nesting: those of a nested structure stand as `outer.inner`.
struct FlatField {
  unsigned offset = 0;
  ScalarType type = ScalarType::u8;
  unsigned count = 1;
  std::string flags;
  RoleModel role;
  std::string prefix;  ///< what stands before the names of the fields it shares a structure with
};

struct MatchedField {
  std::string name;
  FlatField guest;
  std::optional<FlatField> native;
};

struct MatchedStruct {
  std::string name;
  std::string native_name;  ///< empty: no automatic conversion
  unsigned guest_size = 0;
  unsigned native_size = 0;  ///< 0: no automatic conversion
  bool identical = false;    ///< the same bytes on both sides
  std::vector<MatchedField> fields;
};

/// One for each structure of `guest`, in its order. Fields without a native counterpart are told to
/// `problems`.
std::vector<MatchedStruct> match_structs(const TableModel& guest, const TableModel& native,
                                         Problems& problems);

}  // namespace sudrun::abi
