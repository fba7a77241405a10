// Damaged and crafted files of every kind: no bytes lead a search out of the file, and verify finds what is wrong.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cassata/condition.h"
#include "cassata/payload.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/good_compressed_lists.h"
#include "tests/conformance/good_documents.h"
#include "tests/conformance/good_lists.h"
#include "tests/conformance/good_pages.h"
#include "tests/conformance/good_sparse_rows.h"
#include "tests/conformance/good_tokens.h"
#include "tests/conformance/multivector_cases.h"
#include "tests/golden/golden_payload.h"
#include "tests/support/documents.h"
#include "tests/support/expect_error.h"
#include "tests/support/rehash.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::damage_test {
namespace {

using namespace test;

class DamagedKind : public EveryKind {};
class DamagedKindExhaustive : public EveryKind {};
class DamagedMultivector : public EveryMultivector {};

/// Writes into a file under the feet of whoever has it mapped.
class Scribbler {
 public:
  explicit Scribbler(const std::filesystem::path& path) : file_(::open(path.c_str(), O_WRONLY)) { EXPECT_GE(file_, 0); }
  Scribbler(const Scribbler&) = delete;
  Scribbler& operator=(const Scribbler&) = delete;
  ~Scribbler() { ::close(file_); }
  void write(std::uint64_t offset, std::byte value) {
    EXPECT_EQ(::pwrite(file_, &value, 1, static_cast<off_t>(offset)), 1);
  }

 private:
  int file_;
};

/// Few vectors, and walks narrow enough to be walks.
constexpr std::size_t kRows = 30, kDim = 3;
constexpr SearchParams kWalk{.k = 3, .ef_search = 5},
    kRelaxedWalk{.k = 1, .ef_search = 2, .early_exit_threshold = 0.5F};

BuildParams small(BuildParams params) {
  params.graph.m = 2;
  params.graph.ef_construction = 10;
  return params;
}

/// What damaged files are asked; with tokens, if they hold such.
struct Asked {
  Vectors queries;
  TokenQueries tokens = {};
  TokenBatch batch() const { return tokens.dim == 0 ? TokenBatch() : tokens.batch(); }
};

/// Searches in every way. The answers may be anything that a right file could give, or there is an error that says
/// what is damaged.
void survive(const Index& index, const Asked& asked) {
  const auto ask = [&](const auto& search, const SearchParams& params) {
    try {
      const Answers found = search(index, asked.queries, params, asked.batch());
      for (const float score : found.scores) ASSERT_FALSE(std::isnan(score));
      for (const std::int64_t id : found.ids)
        ASSERT_TRUE(id >= -1 && id < static_cast<std::int64_t>(index.size())) << id;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
      ASSERT_NE(std::string(e.what()).find("section 'ids'"), std::string::npos) << e.what();
    }
  };
  ask(search, kWalk);
  ask(search, kRelaxedWalk);
  ask(search_exact, kWalk);
  try {
    std::vector<Id> rows(index.size());
    std::iota(rows.begin(), rows.end(), Id{0});
    const Rows vectors = index.vectors(rows);
    const Batch batch = vectors.batch();
    for (std::size_t i = 0; i < batch.rows; ++i) {
      for (const float value : batch.row(i).values) ASSERT_TRUE(std::isfinite(value));
      for (const std::uint32_t component : batch.row(i).components) ASSERT_LT(component, index.dim());
    }
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
    ASSERT_NE(std::string(e.what()).find("section '"), std::string::npos) << e.what();
  }
  for (Id row = 0; index.documents() != nullptr && row < index.size(); row += 7) {
    try {
      ASSERT_LE(index.documents()->at(row).size(), index.documents()->entry().largest);
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
      ASSERT_NE(std::string(e.what()).find("section 'documents."), std::string::npos) << e.what();
    }
  }
}

/// Reads all ids and fields, and searches in every way.
void survive_payload(const Index& index, const Asked& asked) {
  survive(index, asked);
  const auto read = [](const auto& work) {
    try {
      work();
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
      ASSERT_NE(std::string(e.what()).find("section '"), std::string::npos) << e.what();
    }
  };
  for (Id row = 0; index.external_ids() && row < index.size(); ++row)
    read([&] { ASSERT_LT(index.external_ids()->row_of(index.external_ids()->at(row)).value_or(0), index.size()); });
  for (std::size_t i = 0; i < index.fields().entries().size(); ++i) {
    const FieldEntry& entry = index.fields().entries()[i];
    read([&] { index.fields().column(i); });
    const bool coded = entry.type == FieldType::text || entry.type == FieldType::tags;
    const Term value = coded                                ? Term("a")
                       : entry.type == FieldType::boolean   ? Term(true)
                       : entry.type == FieldType::timestamp ? Term(Timestamp{3, TimeUnit::seconds})
                                                            : Term(3);
    read([&] { Condition(Term::Object{{entry.name, value}}).rows(index.fields()); });
    if (coded)
      read([&] { Condition(Term::Object{{entry.name, Term::Object{{"$contains", "a"}}}}).rows(index.fields()); });
  }
}

/// Flips bits of each byte of the sections, those that `bits_of` gives for it.
template <class BitsOf>
void flip_bits(const std::filesystem::path& path, const Asked& asked, BitsOf bits_of) {
  const Index index = Index::open(path);
  index.verify();  // so that warming compares no block with its hash again: searches are to meet what is damaged
  Scribbler scribbler(path);
  for (const SectionEntry& section : index.manifest().sections)
    for (std::uint64_t byte = section.offset; byte < section.offset + section.length; ++byte) {
      const std::byte right = index.file().bytes()[byte];
      for (const unsigned bit : bits_of()) {
        SCOPED_TRACE("section '" + section.name + "', byte " + std::to_string(byte) + ", bit " + std::to_string(bit));
        scribbler.write(byte, right ^ std::byte{1} << bit);
        ASSERT_NE(index.file().bytes()[byte], right);
        ASSERT_NO_FATAL_FAILURE(survive_payload(index, asked));
        expect_error(Errc::corrupt, {"section '", "at byte "}, [&] { index.verify(); });
        if (::testing::Test::HasFailure()) return;
      }
      scribbler.write(byte, right);
    }
  index.verify();
}

/// A small file, and what it is asked.
Asked write_index(const BuildParams& params, Random& random, const std::filesystem::path& path) {
  build(whole_vectors(random, kRows, kDim), small(params), path);
  return {whole_vectors(random, 2, kDim)};
}

TEST_P(DamagedKindExhaustive, EveryFlippedBitIsSurvivedAndFound) {
  const TempDir folder;
  Random random(1);
  const Asked asked = write_index(GetParam(), random, folder / "index");
  flip_bits(folder / "index", asked, [] { return std::array{0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U}; });
}

TEST_P(DamagedKind, FlippedBitsAreSurvivedAndFound) {
  const TempDir folder;
  Random random(1);
  const Asked asked = write_index(GetParam(), random, folder / "index");
  flip_bits(folder / "index", asked, [&] { return std::array{static_cast<unsigned>(below(random, 8))}; });
}

template <class Number>
std::span<const Number> numbers_of(const Index& index, const std::string& section) {
  const auto bytes = index.file().section(section).bytes;
  return {reinterpret_cast<const Number*>(bytes.data()), bytes.size() / sizeof(Number)};
}

std::span<const Id> ids_of(const Index& index, const std::string& section) { return numbers_of<Id>(index, section); }

/// Neighbours, of which unused places are kNoId.
std::vector<Id> neighbors_of(const Index& index, const std::string& section) {
  const auto narrow = numbers_of<std::uint16_t>(index, section);
  std::vector<Id> ids(narrow.begin(), narrow.end());
  std::ranges::replace(ids, Id{0xFFFF}, kNoId);
  return ids;
}

/// Each row lists other nodes below n, each once; unused places only at its end.
bool good_rows(std::span<const Id> rows, std::size_t n, std::size_t degree) {
  for (std::size_t node = 0; node < rows.size() / degree; ++node) {
    const auto row = rows.subspan(node * degree, degree);
    const auto end = std::ranges::find(row, kNoId);
    const std::set<Id> neighbors(row.begin(), end);
    if (std::any_of(end, row.end(), [](Id id) { return id != kNoId; }) ||
        neighbors.size() != static_cast<std::size_t>(end - row.begin()))
      return false;
    if (neighbors.contains(static_cast<Id>(node)) || (!neighbors.empty() && *neighbors.rbegin() >= n)) return false;
  }
  return true;
}

bool different_below(std::span<const Id> ids, std::size_t n) {
  const std::set<Id> all(ids.begin(), ids.end());
  return all.size() == ids.size() && (all.empty() || *all.rbegin() < n);
}

/// Rows of few bits a dimension: scale, bias and rest are finite numbers, as are the means; signs are 1 or -1.
bool good_compact_rows(const Index& index, const CodesEntry& codes) {
  const std::span<const std::byte> rows = index.file().section(codes.section).bytes,
                                   model = index.file().section(codes.section + ".model").bytes;
  return good_compact_heads(rows, compact_row_bytes(codes, index.dim())) && good_compact_model(model, index.dim());
}

/// Centroids and rotation of a product quantizer are finite; its rows may be any bytes.
bool good_product_model(const Index& index, const CodesEntry& codes) {
  return std::ranges::all_of(numbers_of<float>(index, codes.section + ".model"),
                             [](float value) { return std::isfinite(value); });
}

bool good_values(const Index& index, const CodesEntry& codes) {
  if (row_of(codes.encoding).vector_kind == VectorKind::tokens) return good_tokens(index, codes);
  if (index.manifest().schema.vector_kind == VectorKind::sparse) return good_sparse_rows(index, codes);
  const auto bytes = index.file().section(codes.section).bytes;
  if (codes.encoding == Encoding::pq) return good_product_model(index, codes);
  if (row_of(codes.encoding).compact) return good_compact_rows(index, codes);
  const bool half = codes.encoding == Encoding::f16;
  for (std::size_t at = 0; at < bytes.size(); at += half ? 2 : 4) {
    float value = 0;
    std::uint16_t bits = 0;
    std::memcpy(half ? static_cast<void*>(&bits) : &value, bytes.data() + at, half ? 2 : 4);
    if (!std::isfinite(half ? half_value(bits) : value)) return false;
  }
  return true;
}

/// Each row once, by representative, copies first, and by id; no representative is a duplicate.
bool good_duplicates(const Index& index) {
  if (index.manifest().find("graph.duplicates") == nullptr) return true;
  std::vector<Id> ids(index.size());
  std::iota(ids.begin(), ids.end(), Id{0});
  if (index.manifest().find("ids") != nullptr) {
    const auto stored = ids_of(index, "ids");
    ids.assign(stored.begin(), stored.end());
    if (!different_below(ids, index.size())) return false;
  }
  std::set<Id> representatives, duplicates;
  std::tuple<Id, bool, Id> last = {};
  const auto numbers = ids_of(index, "graph.duplicates");
  const GraphEntry& graph = *index.manifest().graph;
  const std::size_t count = numbers.size() / 2,
                    first = index.manifest().schema.graph == GraphType::standard ? 0 : index.size() - count;
  std::uint64_t near = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Id representative = numbers[i], row = numbers[count + i] & 0x7FFFFFFF;
    const bool copy = numbers[count + i] >> 31 != 0;
    near += !copy;
    if (representative >= index.size() || row < first || row >= index.size() || !duplicates.insert(ids[row]).second)
      return false;
    const std::tuple here(representative, !copy, ids[row]);
    if ((i != 0 && here <= last) || (copy && ids[row] <= representative)) return false;
    last = here;
    representatives.insert(representative);
  }
  return near == graph.near_copies &&
         std::ranges::none_of(representatives, [&](Id id) { return duplicates.contains(id); });
}

/// What docs/format.md demands of the sections and verify promises to check.
bool well_formed(const Index& index) {
  if (!good_documents(index)) return false;
  if (!std::ranges::all_of(index.manifest().codes(),
                           [&](const CodesEntry& codes) { return good_values(index, codes); }))
    return false;
  if (index.manifest().postings && (!good_lists(index) || !different_below(ids_of(index, "ids"), index.size())))
    return false;
  if (!index.manifest().graph) return true;
  const GraphEntry& graph = *index.manifest().graph;
  const GraphType type = index.manifest().schema.graph;
  const std::size_t nodes = index.size() - (type == GraphType::standard ? 0 : graph.duplicates);
  const bool good_ground = type == GraphType::paged ? good_pages(index)
                           : type == GraphType::compressed
                               ? good_compressed_lists(index)
                               : good_rows(neighbors_of(index, "graph.edges"), nodes, 2 * graph.m);
  if (!good_ground || !good_duplicates(index) || !different_below(ids_of(index, "graph.upper_nodes"), index.size()))
    return false;
  const std::vector<Id> upper = neighbors_of(index, "graph.upper_edges");
  std::span<const Id> rest = upper;
  for (const std::uint64_t size : graph.level_sizes) {
    if (!good_rows(rest.first(size * graph.m), size, graph.m)) return false;
    rest = rest.subspan(size * graph.m);
  }
  return type == GraphType::standard || different_below(ids_of(index, "ids"), index.size());
}

/// Overwrites some of a section, with bytes or with numbers that come close to right ones.
void scribble(Random& random, std::span<std::byte> section) {
  const std::size_t numbers = section.size() / sizeof(Id), style = random() % 3;
  for (std::size_t i = 0; i < numbers; ++i) {
    if (style != 0 && random() % (style == 1 ? 2 : 40) != 0) continue;
    const Id near = random() % 6 ? static_cast<Id>(below(random, kRows + 2)) : kNoId;
    const Id value = style == 0 ? static_cast<Id>(random()) : near;
    std::memcpy(section.data() + i * sizeof(Id), &value, sizeof(Id));
  }
}

void craft_sections(const TempDir& folder, const Asked& asked) {
  const Bytes whole = read_file(folder / "index");
  const std::vector<SectionEntry> sections = Index::open(folder / "index").manifest().sections;
  for (unsigned seed = 0; seed < seeds(150); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Bytes crafted = whole;
    for (const SectionEntry& s : sections)
      if (random() % 2) scribble(random, std::span(crafted).subspan(s.offset, s.length));
    write_file(folder / "crafted", with_section_hashes(crafted));
    const Index index = Index::open(folder / "crafted");
    ASSERT_NO_FATAL_FAILURE(survive(index, asked));
    if (well_formed(index)) {
      index.verify();
    } else {
      expect_error(Errc::corrupt, {"section '"}, [&] { index.verify(); });
    }
  }
}

TEST_P(DamagedKind, CraftedSectionsAreSurvivedAndVerifyTellsWhatIsWellFormed) {
  const TempDir folder;
  Random random(2);
  const Vectors vectors = whole_vectors(random, kRows, kDim);
  build(vectors, small(GetParam()), folder / "index");
  craft_sections(folder, {whole_vectors(random, 3, kDim)});
}

/// Changes what the manifest says of the sections.
void misstate(Random& random, Manifest& m) {
  const auto number = [&](auto right) {
    const std::uint64_t wrong[] = {0,
                                   right + 1,
                                   right - 1,
                                   2 * right,
                                   random(),
                                   ~std::uint64_t{0},
                                   std::uint64_t{1} << 31,
                                   std::uint64_t{1} << 62};
    return static_cast<decltype(right)>(wrong[random() % 8]);
  };
  if (m.documents && random() % 4 != 0) {
    DocumentsEntry& entry = *m.documents;
    if (random() % 2 != 0) entry.bytes = number(entry.bytes);
    if (random() % 2 != 0) entry.largest = number(entry.largest);
    if (random() % 2 != 0) entry.block_bytes = number(entry.block_bytes);
    entry.text = random() % 2 == 0;
    return;
  }
  switch (random() % 15) {
    case 0: m.size = number(m.size); break;
    case 1: m.dim = number(m.dim); break;
    case 2: m.schema.kind = m.schema.kind == Kind::flat ? Kind::graph : Kind::flat; break;
    case 3: m.schema.first.encoding = encoding_rows()[random() % encoding_rows().size()].encoding; break;
    case 4: m.first_section = m.sections[random() % m.sections.size()].name; break;
    case 5: m.sections[random() % m.sections.size()].length = below(random, 600); break;
    case 6: std::swap(m.sections.front().name, m.sections.back().name); break;
    case 7:
      m.schema.vector_kind = m.schema.vector_kind == VectorKind::dense ? VectorKind::sparse : VectorKind::dense;
      break;
    case 8: m.schema.second = m.schema.first; break;
    case 9: {
      const auto up_to = [&](std::size_t most) { return static_cast<std::uint32_t>(below(random, most + 1)); };
      const CodeParams code{.m_pq = up_to(8), .bits = up_to(10), .token_dim = up_to(10)};
      Stage& stage = m.schema.second ? *m.schema.second : m.schema.first;
      stage.encoding = encoding_rows()[random() % encoding_rows().size()].encoding;
      stage.code = code;
      (m.schema.second ? m.second_section : m.first_section) = m.sections[random() % m.sections.size()].name;
      break;
    }
    case 10: {
      const double shares[] = {
          0, -1, 50, 100, 101, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
      if (!m.schema.second) m.schema.second = Stage{.encoding = m.schema.first.encoding};
      m.schema.first.prune_percentage = shares[random() % 7];
      m.schema.first.role = random() % 2 == 0 ? Role::traversal : Role::search;
      m.schema.second->role = random() % 2 == 0 ? Role::residual : Role::rerank;
      break;
    }
    case 11:
      if (m.graph) m.graph->m = number(m.graph->m);
      break;
    case 12: {
      CodeParams& code = random() % 2 && m.schema.second ? m.schema.second->code : m.schema.first.code;
      code = {.m_pq = random() % 2 ? code.m_pq : number(code.m_pq),
              .bits = random() % 2 ? code.bits : number(code.bits),
              .rotated = random() % 2 == 0,
              .token_dim = random() % 2 ? code.token_dim : number(code.token_dim)};
      break;
    }
    case 13:
      if (m.fields.empty()) break;
      if (FieldEntry& field = m.fields[below(random, m.fields.size())]; random() % 2) {
        field.type = static_cast<FieldType>(random() % 6);
        field.width = static_cast<std::uint8_t>(random() % 3 == 0 ? random() : std::uint64_t{1} << random() % 4);
        field.nulls = random() % 2 == 0;
      } else {
        field.section = m.fields[below(random, m.fields.size())].section;
        field.name = m.fields[below(random, m.fields.size())].name;
      }
      m.external_ids = static_cast<IdType>(random() % 2);
      break;
    default:
      if (m.graph && !m.graph->level_sizes.empty())
        m.graph->level_sizes[random() % m.graph->level_sizes.size()] = number(m.size);
      else
        m.graph = GraphEntry{.m = 2, .ef_construction = 1, .level_sizes = {number(m.size)}};
  }
}

void misstate_sections(const TempDir& folder) {
  const Bytes whole = read_file(folder / "index");
  std::size_t refused = 0;
  for (unsigned seed = 0; seed < seeds(250); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    write_file(folder / "crafted", with_manifest(whole, [&](Manifest& m) {
                 for (std::size_t n = 1 + below(random, 3); n > 0; --n) misstate(random, m);
               }));
    try {
      const Index index = Index::open(folder / "crafted");
      if (index.dim() <= 1000 && index.token_dim() <= 1000)
        survive_payload(index,
                        {whole_vectors(random, 2, index.dim()), random_token_queries(random, 2, index.token_dim(), 5)});
      index.verify();
    } catch (const Error& e) {
      ++refused;
      ASSERT_TRUE(e.code() == Errc::corrupt || e.code() == Errc::incompatible) << e.what();
    }
  }
  EXPECT_GT(refused, seeds(250) * 2 / 5);
}

/// A small file with ids and fields.
Asked write_with_payload(IdType ids, Random& random, const std::filesystem::path& path) {
  const Payload payload = golden_payload(ids, kRows);
  BuildParams params{.schema = {.kind = Kind::flat}};
  params.payload = &payload;
  return write_index(params, random, path);
}

TEST(DamagedPayload, FlippedBitsAreSurvivedAndFound) {
  for (const IdType ids : {IdType::int64, IdType::text}) {
    const TempDir folder;
    Random random(1);
    const Asked asked = write_with_payload(ids, random, folder / "index");
    flip_bits(folder / "index", asked, [&] { return std::array{static_cast<unsigned>(below(random, 8))}; });
  }
}

TEST(DamagedPayload, ManifestsThatMisstateTheSectionsAreRefusedOrSurvived) {
  for (const IdType ids : {IdType::int64, IdType::text}) {
    const TempDir folder;
    Random random(3);
    write_with_payload(ids, random, folder / "index");
    misstate_sections(folder);
  }
}

TEST_P(DamagedKind, ManifestsThatMisstateTheSectionsAreRefusedOrSurvived) {
  const TempDir folder;
  Random random(3);
  build(whole_vectors(random, kRows, kDim), small(GetParam()), folder / "index");
  misstate_sections(folder);
}

/// Files with documents: texts, or any bytes.
class DamagedDocuments : public ::testing::TestWithParam<bool> {};

Asked write_with_documents(bool text, Random& random, const std::filesystem::path& path) {
  MemoryDocuments documents(random_documents(random, kRows, 100, text), text);
  BuildParams params{
      .schema = {.kind = Kind::flat, .first = {.encoding = Encoding::f32}}, .num_threads = 1, .progress = {}};
  params.documents = &documents;
  return write_index(params, random, path);
}

TEST_P(DamagedDocuments, FlippedBitsAreSurvivedAndFound) {
  const TempDir folder;
  Random random(1);
  const Asked asked = write_with_documents(GetParam(), random, folder / "index");
  flip_bits(folder / "index", asked, [&] { return std::array{static_cast<unsigned>(below(random, 8))}; });
}

TEST_P(DamagedDocuments, CraftedSectionsAreSurvivedAndVerifyTellsWhatIsWellFormed) {
  const TempDir folder;
  Random random(2);
  craft_sections(folder, write_with_documents(GetParam(), random, folder / "index"));
}

TEST_P(DamagedDocuments, ManifestsThatMisstateTheSectionsAreRefusedOrSurvived) {
  const TempDir folder;
  Random random(3);
  write_with_documents(GetParam(), random, folder / "index");
  misstate_sections(folder);
}

INSTANTIATE_TEST_SUITE_P(TextAndBytes, DamagedDocuments, ::testing::Bool());

/// A small file with token vectors, and what it is asked.
Asked write_multivector(const MultivectorCase& c, Random& random, const std::filesystem::path& path) {
  const Tokens tokens = random_tokens(random, kRows, 2, 1, 5, 3);
  BuildParams params = small(first_params(c));
  join(build(whole_vectors(random, kRows, kDim), params), tokens, c.layout, path);
  return {whole_vectors(random, 2, kDim), random_token_queries(random, 2, tokens.dim, 3)};
}

TEST_P(DamagedMultivector, FlippedBitsAreSurvivedAndFound) {
  const TempDir folder;
  Random random(1);
  const Asked asked = write_multivector(GetParam(), random, folder / "index");
  flip_bits(folder / "index", asked, [&] { return std::array{static_cast<unsigned>(below(random, 8))}; });
}

TEST_P(DamagedMultivector, CraftedSectionsAreSurvivedAndVerifyTellsWhatIsWellFormed) {
  const TempDir folder;
  Random random(2);
  craft_sections(folder, write_multivector(GetParam(), random, folder / "index"));
}

TEST_P(DamagedMultivector, ManifestsThatMisstateTheSectionsAreRefusedOrSurvived) {
  const TempDir folder;
  Random random(3);
  write_multivector(GetParam(), random, folder / "index");
  misstate_sections(folder);
}

TEST_P(DamagedMultivector, EachFaultIsNamedWithItsPlace) {
  const TempDir folder;
  Random random(4);
  const Asked asked = write_multivector(GetParam(), random, folder / "index");
  const Index index = Index::open(folder / "index");
  const bool plain = GetParam().layout == TokenLayout::plain;
  const std::string rows = "rerank.rows", places = rows + ".offsets", model = rows + ".model";
  const auto offsets = ids_of(index, places);
  const auto bytes_in = [&](const std::string& name) {
    const auto bytes = index.file().section(name).bytes;
    return Bytes(bytes.begin(), bytes.end());
  };
  const auto craft = [&](const std::string& name, std::size_t at, auto value) {
    Bytes bytes = bytes_in(name);
    std::memcpy(bytes.data() + at, &value, sizeof value);
    write_with_sections(folder / "crafted", index.file(), {{name, bytes}});
  };
  /// The file is opened and searched, but verify reports `found` at byte `at` of the section.
  const auto expect_found = [&](const std::string& name, std::size_t at, const std::string& found) {
    SCOPED_TRACE(found);
    const Index crafted = Index::open(folder / "crafted");
    survive(crafted, asked);
    const std::string place =
        "crafted: section '" + name + "' at byte " + std::to_string(crafted.file().section(name).offset + at) + ": ";
    expect_error(Errc::corrupt, {place, found}, [&] { crafted.verify(); });
    expect_error(Errc::corrupt, {place}, [&] { Index::open(folder / "crafted", {.verify = Verify::all}); });
  };
  std::size_t full = 3;  // a document of tokens, and not the first ones
  while (offsets[full] == offsets[full + 1]) ++full;
  const std::string document = "document " + std::to_string(full);
  craft(places, full * 4, offsets[full + 1] + 400);
  expect_found(places, (full - 1) * 4,
               "document " + std::to_string(full - 1));  // which passes the end, or the next one falls
  craft(places, (full + 1) * 4, offsets[full + 1] - 1);
  expect_found(places, full * 4, document);
  craft(places, (full + 1) * 4, std::uint32_t{0xFFFFFFFF});
  expect_found(places, full * 4, document);
  craft(places, 0, offsets[1] == 0 ? Id{4} : offsets[1]);
  expect_found(places, 0, offsets[1] == 0 ? "document 0" : "rows from byte");
  craft(places, kRows * 4, offsets[kRows] + (plain ? 4U : 4U));
  expect_found(places, (kRows - 1) * 4, "document 29");
  if (plain) {
    craft(rows, offsets[full] + 2, std::uint16_t{0x7C00});
    expect_found(rows, offsets[full] + 2, document + ", token 0: a NaN or an infinity");
  } else {
    craft(rows, offsets[full], std::uint16_t{5});
    expect_found(rows, offsets[full], document + ", token 0: centroid 5, expected less than 5");
    craft(rows, offsets[full], std::uint16_t{0xFFFF});
    expect_found(rows, offsets[full], document + ", token 0: centroid 65535");
    craft(model, 1000, std::numeric_limits<float>::quiet_NaN());
    expect_found(model, 1000, "a NaN or an infinity among centroids");
    craft(model, (256 + 4) * 8 + 4, std::numeric_limits<float>::infinity());
    expect_found(model, (256 + 4) * 8 + 4, "a NaN or an infinity among centroids");
  }
  if (GetParam().graph != GraphType::standard) {
    craft("ids", 8, Id{kRows});
    expect_found("ids", 8, "30");
    craft("ids", 8, ids_of(index, "ids")[3]);
    expect_found("ids", 12, std::to_string(ids_of(index, "ids")[3]));
  }
  const auto refuse_length = [&](const std::string& name, std::size_t length) {
    SCOPED_TRACE(name + " of " + std::to_string(length) + " bytes");
    Bytes bytes = bytes_in(name);
    bytes.resize(length);
    write_with_sections(folder / "crafted", index.file(), {{name, bytes}});
    expect_error(Errc::corrupt, {"crafted: section '" + name + "' at byte ", std::to_string(length) + " bytes"},
                 [&] { Index::open(folder / "crafted"); });
  };
  for (const std::size_t length : {0, 4, 120, 128, 240, 244, 252})
    refuse_length(places, length);  // 31 u32 or u64 are right
  if (!plain)
    for (const std::size_t length : {0, 8, 2044, 2049, 2092}) refuse_length(model, length);
}

/// Graphs of every type by the first codes of a class, by others of the usual one: as all_cases().
std::vector<MultivectorCase> few_multivector_cases() {
  std::vector<MultivectorCase> cases = multivector_cases();
  std::erase_if(cases, [](const MultivectorCase& c) {
    return c.graph != BuildParams().schema.graph && c.first != Encoding::sparse_f16 && c.first != Encoding::f32;
  });
  return cases;
}

CASSATA_FOR_CASES(DamagedMultivector, few_multivector_cases());
CASSATA_FOR_CASES(DamagedKind, all_cases());
INSTANTIATE_TEST_SUITE_P(Registry, DamagedKindExhaustive, ::testing::ValuesIn(all_cases()),
                         [](const auto& one) { return name_of_case(one.param); });

}  // namespace
}  // namespace cassata::damage_test
