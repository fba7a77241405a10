#include "tools/describe.h"

#include <nlohmann/json.hpp>

#include "cassata/facts.h"
#include "format/file/mapped_file.h"

namespace cassata::tools {
namespace {

using Json = nlohmann::ordered_json;

using tools::json_of;  // of a value
Json json_of(const Fact& fact);

Json json_of(const std::vector<Fact>& facts) {
  Json out = Json::array();
  for (const Fact& fact : facts) out.push_back(json_of(fact));
  return out;
}

Json json_of(const Facts& facts) {
  Json out = Json::object();
  for (const auto& [name, fact] : facts) out[name] = json_of(fact);
  return out;
}

Json json_of(const Fact& fact) {
  return std::visit([](const auto& held) { return json_of(held); }, fact.content);
}

Json described(const Index& index, const Facts& facts) {
  Json json = {{"path", index.file().path()}};
  json.update(json_of(facts));
  return json;
}

}  // namespace

Json describe_briefly(const Index& index) { return described(index, identity_of(index)); }

Json describe(const Index& index) { return described(index, facts_of(index)); }

Json describe_residency(const Index& index) { return json_of(residency_of(index)); }

Json json_of(const Value& value) {
  return std::visit(
      [](const auto& held) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>)
          return nullptr;
        else
          return held;
      },
      value);
}

std::string to_text(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace cassata::tools
