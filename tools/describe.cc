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

SectionResidency summed(const std::vector<SectionResidency>& parts, std::optional<Tier> tier) {
  SectionResidency sum{.name = !tier                ? "all"
                               : *tier == Tier::hot ? "hot"
                                                    : "cold",
                       .tier = tier.value_or(Tier::hot),
                       .bytes = 0,
                       .resident = 0};
  for (const SectionResidency& part : parts) {
    if (tier && part.tier != *tier) continue;
    sum.bytes += part.bytes;
    sum.resident = sum.resident && part.resident ? std::optional(*sum.resident + *part.resident) : std::nullopt;
  }
  return sum;
}

Json describe_residency(const Index& index) {
  const auto amount = [](Json json, const SectionResidency& part) {
    const double all = static_cast<double>(part.bytes);
    json["bytes"] = part.bytes;
    json["resident_bytes"] = part.resident ? Json(*part.resident) : Json();
    json["share"] = !part.resident ? Json() : Json(part.bytes == 0 ? 1.0 : static_cast<double>(*part.resident) / all);
    return json;
  };
  const std::vector<SectionResidency> parts = index.residency();
  Json sections = Json::array();
  for (const SectionResidency& part : parts)
    sections.push_back(amount({{"name", part.name}, {"tier", part.tier == Tier::hot ? "hot" : "cold"}}, part));
  Json json = {{"sections", sections}};
  for (const std::optional<Tier> tier : {std::optional(Tier::hot), std::optional(Tier::cold), std::optional<Tier>()})
    json[summed(parts, tier).name] = amount(Json::object(), summed(parts, tier));
  return json;
}

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
