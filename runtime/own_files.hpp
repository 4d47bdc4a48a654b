// Where sudrun itself and its other files are.
#pragma once

#include <string>
#include <string_view>

namespace sudrun::runtime {

/// sudrun's own path; empty without /proc.
std::string own_path();
/// Path of the file `name` of `sudrun`, a path of it: beside it, as in a build tree, or where the build
/// installs it; empty if it is in neither place.
std::string own_file(const std::string& sudrun, std::string_view name);

}  // namespace sudrun::runtime
