#include "cassata/manifest.h"

#include <flatbuffers/flatbuffers.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "manifest_generated.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"

namespace cassata::manifest_test {
namespace {

using namespace test;

std::string random_text(Random& random) {
  std::string text(below(random, 20), ' ');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

Manifest random_manifest(unsigned seed) {
  Random random(seed);
  Manifest m;
  IndexSchema& schema = m.schema;
  schema.kind = static_cast<Kind>(random() % 3);
  schema.metric = static_cast<Metric>(random() % 2);
  m.size = random();
  m.dim = static_cast<std::uint32_t>(random());
  const auto stage = [&](Role role) {
    return Stage{.encoding = static_cast<Encoding>(random() % 2),
                 .code = {.m_pq = static_cast<std::uint32_t>(random()),
                          .bits = static_cast<std::uint32_t>(random()),
                          .rotated = random() % 2 == 0},
                 .role = role};
  };
  schema.first = stage(Role::search);
  m.first_section = random_text(random);
  if (random() % 2) {
    schema.second = stage(random() % 2 ? Role::rerank : Role::residual);
    m.second_section = random_text(random);
    if (random() % 2) schema.first.role = Role::traversal;
    schema.first.prune_percentage = static_cast<double>(below(random, 400)) / 4;
    if (schema.second->role == Role::rerank && random() % 2) {
      schema.second->encoding = Encoding::tokens_f16;
      schema.second->role = Role::maxsim;
    }
  }
  if (random() % 2) {
    schema.graph = static_cast<GraphType>(random() % 4);
    m.graph = GraphEntry{static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random()), {}};
    m.graph->page_bytes = static_cast<std::uint32_t>(random());
    if (random() % 2)
      m.graph->links = CodesEntry{Encoding::rabitq, "links", {.bits = static_cast<std::uint32_t>(random())}};
    for (std::size_t i = below(random, 4); i > 0; --i) m.graph->level_sizes.push_back(random());
  }
  for (std::size_t i = below(random, 6); i > 0; --i)
    m.sections.push_back({random_text(random), random(), random(), static_cast<Tier>(random() % 2)});
  m.block_hashes = {random(), random(), random()};
  m.provenance.library_version = random_text(random);
  for (std::size_t i = below(random, 3); i > 0; --i)
    m.provenance.inputs.push_back({random_text(random), random(), random(), random()});
  for (std::size_t i = below(random, 3); i > 0; --i)
    m.provenance.parameters.emplace_back(random_text(random), random_text(random));
  if (random() % 2)
    m.postings =
        PostingsEntry{random(), static_cast<std::uint32_t>(below(random, 32)), static_cast<std::uint32_t>(random()),
                      static_cast<float>(1 + below(random, 8)) / 8, static_cast<std::uint32_t>(random())};
  if (random() % 2) m.external_ids = static_cast<IdType>(random() % 2);
  for (std::size_t i = below(random, 3); i > 0; --i)
    m.fields.push_back({random_text(random), static_cast<FieldType>(random() % 6), static_cast<TimeUnit>(random() % 4),
                        static_cast<std::uint8_t>(random()), random() % 2 == 0, random_text(random)});
  if (random() % 2)
    m.documents = DocumentsEntry{random() % 2 == 0, random(), random(), static_cast<std::uint32_t>(random())};
  return m;
}

/// Every field as text, so that a difference shows.
std::string show(const Manifest& m) {
  std::string out;
  const auto add = [&](const auto&... values) {
    const auto one = [&](const auto& v) {
      if constexpr (std::is_convertible_v<decltype(v), std::string>)
        out += v;
      else
        out += std::to_string(static_cast<std::uint64_t>(v));
      out += '|';
    };
    (one(values), ...);
    out += '\n';
  };
  const IndexSchema& schema = m.schema;
  add(schema.kind, schema.vector_kind, schema.metric, m.size, m.dim, schema.first.role, schema.last().role);
  for (const auto& c : m.codes()) add(c.encoding, c.section, c.code.m_pq, c.code.bits, c.code.rotated);
  if (m.graph) add(schema.graph, m.graph->m, m.graph->ef_construction, m.graph->page_bytes);
  if (m.graph && m.graph->links) add(m.graph->links->encoding, m.graph->links->section, m.graph->links->code.bits);
  if (m.graph)
    for (const auto size : m.graph->level_sizes) add(size);
  for (const auto& s : m.sections) add(s.name, s.offset, s.length, s.tier);
  add(m.block_hashes.offset, m.block_hashes.count, m.block_hashes.xxh3, m.provenance.library_version);
  for (const auto& i : m.provenance.inputs) add(i.name, i.rows, i.bytes, i.xxh3);
  for (const auto& [name, value] : m.provenance.parameters) add(name, value);
  add(std::to_string(schema.first.prune_percentage));
  if (m.postings)
    add(m.postings->lists, m.postings->bucket_shift, m.postings->n_postings, std::to_string(m.postings->summary_energy),
        m.postings->n_knn);
  if (m.external_ids) add(*m.external_ids);
  for (const auto& f : m.fields) add(f.name, f.type, f.unit, f.width, f.nulls, f.section);
  if (m.documents) add(m.documents->text, m.documents->bytes, m.documents->largest, m.documents->block_bytes);
  return out;
}

TEST(Manifest, RoundTrips) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    const Manifest m = random_manifest(seed);
    const Bytes bytes = write_manifest(m);
    ASSERT_EQ(show(read_manifest(bytes, "file", 0)), show(m));
    ASSERT_EQ(write_manifest(m), bytes) << "the same manifest must give the same bytes";
    ASSERT_EQ(write_manifest(read_manifest(bytes, "file", 0)), bytes);
  }
}

TEST(Manifest, FindsSections) {
  Manifest m;
  m.sections = {{"a", 4096, 1, Tier::hot}, {"b", 8192, 2, Tier::cold}};
  EXPECT_EQ(m.find("b"), &m.sections[1]);
  EXPECT_EQ(m.find("c"), nullptr);
}

TEST(Manifest, UnknownValuesNeedANewerVersion) {
  const std::vector<std::pair<std::string, std::function<void(Manifest&)>>> cases = {
      {"kind 3", [](Manifest& m) { m.schema.kind = static_cast<Kind>(3); }},
      {"shape 2", [](Manifest& m) { m.schema.vector_kind = static_cast<VectorKind>(2); }},
      {"metric 200", [](Manifest& m) { m.schema.metric = static_cast<Metric>(200); }},
      {"encoding 255", [](Manifest& m) { m.schema.first.encoding = static_cast<Encoding>(255); }},
      {"graph type 4", [](Manifest& m) { m.schema.graph = static_cast<GraphType>(4); }},
      {"tier 9", [](Manifest& m) { m.sections[0].tier = static_cast<Tier>(9); }}};
  for (const auto& [what, change] : cases) {
    Manifest m = small_manifest();
    m.graph = GraphEntry{};
    m.sections = {{"s", 4096, 1, Tier::hot}};
    change(m);
    const Bytes bytes = write_manifest(m);
    expect_error(Errc::incompatible, {"some.file: manifest at byte 8192", what, "newer"},
                 [&] { read_manifest(bytes, "some.file", 8192); });
  }
}

/// A manifest with so many stages, as it lies in a file.
Bytes with_stages(std::size_t stages, bool rerank) {
  flatbuffers::FlatBufferBuilder b;
  std::vector<flatbuffers::Offset<fb::Codes>> codes;
  for (std::size_t i = 0; i < stages; ++i)
    codes.push_back(fb::CreateCodes(b, fb::Encoding_f32, b.CreateString("part")));
  const auto codes_at = b.CreateVector(codes);
  const auto hashes = fb::CreateBlockHashes(b);
  const auto provenance = fb::CreateProvenance(b, b.CreateString("0.0.0"));
  flatbuffers::Offset<fb::Rerank> rerank_at;
  if (rerank) rerank_at = fb::CreateRerank(b, 100);
  fb::FinishManifestBuffer(b, fb::CreateManifest(b, fb::Kind_flat, fb::Shape_dense, fb::Metric_euclidean, 3, 5,
                                                 codes_at, 0, 0, hashes, provenance, rerank_at));
  const auto bytes = std::as_bytes(std::span(b.GetBufferPointer(), b.GetSize()));
  return {bytes.begin(), bytes.end()};
}

TEST(Manifest, HasOneStageOrTwo) {
  const auto read = [](std::size_t stages, bool rerank) {
    return read_manifest(with_stages(stages, rerank), "file", 8);
  };
  EXPECT_FALSE(read(1, false).schema.second);
  EXPECT_TRUE(read(2, true).schema.has(Role::rerank));
  expect_error(Errc::corrupt, {"file: manifest at byte 8", "no encoding"}, [&] { read(0, false); });
  expect_error(Errc::corrupt, {"file: manifest at byte 8", "an entry for reranking, but one encoding"},
               [&] { read(1, true); });
  for (const auto& [stages, rerank] : {std::pair(2, false), {3, false}, {3, true}})
    expect_error(Errc::incompatible, {"file: manifest at byte 8", std::to_string(stages) + " encodings", "newer"},
                 [read, stages = stages, rerank = rerank] { read(static_cast<std::size_t>(stages), rerank); });
}

/// Reads bytes that no hash vouched for: anything but an Error is a fault.
void read_anything(const Bytes& bytes) {
  try {
    read_manifest(bytes, "file", 0);
  } catch (const Error& e) {
    ASSERT_TRUE(e.code() == Errc::corrupt || e.code() == Errc::incompatible) << e.what();
  }
}

TEST(Manifest, AnyBytesAreReadSafely) {
  const Bytes whole = write_manifest(random_manifest(7));
  for (std::size_t n = 0; n < whole.size(); ++n)
    read_anything(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int value = 0; value < 256; ++value) {
      Bytes changed = whole;
      changed[i] = static_cast<std::byte>(value);
      read_anything(changed);
    }
  for (unsigned seed = 0; seed < 20000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Bytes changed = write_manifest(random_manifest(seed % 100));
    for (std::size_t n = 1 + below(random, 8); n > 0; --n)
      changed[below(random, changed.size())] = static_cast<std::byte>(random());
    read_anything(changed);
  }
}

TEST(Manifest, SharedTextsCostNoMoreThanTheFile) {
  Manifest m;
  m.sections.push_back({std::string(3000, 'a'), 0, 0, Tier::hot});
  for (int i = 0; i < 30; ++i) m.sections.push_back({"bb", 0, 0, Tier::hot});
  Bytes bytes = write_manifest(m);
  const auto u32_at = [&](std::size_t at) {
    std::uint32_t value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  };
  const auto text_at = [&](std::size_t at, char first) {
    return at + 6 < bytes.size() && u32_at(at) > 1 && u32_at(at) < bytes.size() &&
           static_cast<char>(bytes[at + 4]) == first && static_cast<char>(bytes[at + 5]) != 0;
  };
  std::size_t a = 0;
  while (!(u32_at(a) == 3000 && text_at(a, 'a'))) a += 4;
  for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4)
    if (const std::size_t to = at + u32_at(at);
        at < a && to < bytes.size() && to + 4 <= bytes.size() && text_at(to, 'b')) {
      const auto offset = static_cast<std::uint32_t>(a - at);
      std::memcpy(bytes.data() + at, &offset, sizeof offset);
    }
  expect_error(Errc::corrupt, {"file: manifest at byte 0", "strings"}, [&] { read_manifest(bytes, "file", 0); });
}

}  // namespace
}  // namespace cassata::manifest_test
