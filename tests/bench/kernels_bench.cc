// Bytes a second of the dense kernels, beside those of memcpy over the same bytes.
//
// Names read kernel / element type x dim / where the rows fit / ids a call. Rows lie in a mapped file, as an index's
// do. Random ids; where a call begins depends on the result of the one before, as in a search, so that calls do not
// overlap.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/kernels/dense_distance.h"

namespace cassata::kernels::dense {
namespace {

struct Place {
  const char* name;
  std::size_t bytes;
};
constexpr Place kPlaces[] = {
    {"L2", std::size_t{1} << 19}, {"L3", std::size_t{12} << 20}, {"RAM", std::size_t{96} << 20}};

struct Setup {
  ElementType type;
  std::size_t dim;
  Place place;
  std::size_t row_bytes() const { return dim * element_bytes(type); }
  std::size_t rows() const { return place.bytes / row_bytes(); }
  std::size_t bytes() const { return rows() * row_bytes(); }
};

/// Rows of small random numbers in an unnamed file, mapped.
class Rows {
 public:
  explicit Rows(const Setup& setup) : size_(setup.bytes()) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> value(-1, 1);
    std::vector<float> floats(setup.rows() * setup.dim);
    for (float& f : floats) f = value(random);
    std::vector<std::uint16_t> halves(setup.type == ElementType::f16 ? floats.size() : 0);
    f32_to_f16(floats.data(), halves.data(), halves.size());
    const void* from = halves.empty() ? static_cast<const void*>(floats.data()) : halves.data();
    std::FILE* file = std::tmpfile();
    if (file == nullptr || std::fwrite(from, 1, size_, file) != size_ || std::fflush(file) != 0)
      throw std::runtime_error("cannot write a temporary file");
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, ::fileno(file), 0);
    std::fclose(file);
    if (data_ == MAP_FAILED) throw std::runtime_error("cannot map a temporary file");
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows() { ::munmap(data_, size_); }
  const void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t size_;
};

/// "bytes_per_second" comes from the library; the time a row takes is what a search feels.
void report(benchmark::State& state, std::size_t rows_a_pass, std::size_t row_bytes) {
  const auto rows = static_cast<double>(state.iterations()) * static_cast<double>(rows_a_pass);
  state.SetBytesProcessed(static_cast<std::int64_t>(rows) * static_cast<std::int64_t>(row_bytes));
  state.counters["s_per_row"] = benchmark::Counter(rows, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void copy(benchmark::State& state, const Setup& setup) {
  const Rows rows(setup);
  std::vector<char> to(setup.bytes());
  for (auto _ : state) {
    std::memcpy(to.data(), rows.data(), to.size());
    benchmark::ClobberMemory();
  }
  report(state, setup.rows(), setup.row_bytes());
}

void range(benchmark::State& state, const Setup& setup) {
  const Rows rows(setup);
  const std::vector<float> query(setup.dim, 0.5F);
  std::vector<float> out(setup.rows());
  const Kernels kernels = dispatch(Metric::dot_product, setup.type);
  for (auto _ : state) {
    kernels.range(query.data(), rows.data(), setup.dim, 0, out.size(), out.data());
    benchmark::ClobberMemory();
  }
  report(state, setup.rows(), setup.row_bytes());
}

/// Calls `visit(ids, n)` with random ids, again and again; it returns a value that the next call's ids depend on.
template <class Visit>
void walk(benchmark::State& state, const Setup& setup, std::size_t n, Visit visit) {
  std::mt19937 random(1);
  // One more than is used at a time, so that the list may start one later.
  std::vector<Id> ids(std::max<std::size_t>(4 * setup.rows(), 64 * n) + 1);
  for (Id& id : ids) id = std::uniform_int_distribution<Id>(0, static_cast<Id>(setup.rows() - 1))(random);
  std::size_t at = 0;
  std::uint32_t last = 0;
  for (auto _ : state) {
    if (at + n >= ids.size()) at = 0;
    last = visit(ids.data() + at + (last & 1U), n);
    at += n;
  }
  benchmark::DoNotOptimize(last);
  report(state, n, setup.row_bytes());
}

void gather(benchmark::State& state, const Setup& setup, Metric metric, std::size_t n) {
  const Rows rows(setup);
  const std::vector<float> query(setup.dim, 0.5F);
  std::vector<float> out(n);
  const Kernels kernels = dispatch(metric, setup.type);
  walk(state, setup, n, [&](const Id* ids, std::size_t count) {
    kernels.gather(query.data(), rows.data(), setup.dim, ids, count, out.data());
    return std::bit_cast<std::uint32_t>(out.back());
  });
}

/// memcpy of the rows that gather reads: what random places cost without a prefetch.
void copy_rows(benchmark::State& state, const Setup& setup, std::size_t n) {
  const Rows rows(setup);
  const std::size_t bytes = setup.row_bytes();
  std::vector<char> to(n * bytes);
  walk(state, setup, n, [&](const Id* ids, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(to.data() + i * bytes, static_cast<const char*>(rows.data()) + ids[i] * bytes, bytes);
    benchmark::ClobberMemory();
    return static_cast<std::uint32_t>(to.back());
  });
}

void add_all() {
  for (const ElementType type : {ElementType::f32, ElementType::f16}) {
    for (const std::size_t dim : {128, 384, 768}) {
      for (const Place& place : kPlaces) {
        const Setup setup{type, dim, place};
        const std::string rows =
            std::string(type == ElementType::f16 ? "f16" : "f32") + "x" + std::to_string(dim) + "/" + place.name;
        const auto add = [&](const std::string& name, auto run) {
          benchmark::RegisterBenchmark((name + "/" + rows).c_str(), run);
        };
        add("memcpy", [=](benchmark::State& state) { copy(state, setup); });
        add("range", [=](benchmark::State& state) { range(state, setup); });
        for (const std::size_t n : {16, 32}) {
          const auto add_walk = [&](const std::string& name, auto run) {
            benchmark::RegisterBenchmark((name + "/" + rows + "/" + std::to_string(n)).c_str(), run);
          };
          add_walk("memcpy_rows", [=](benchmark::State& state) { copy_rows(state, setup, n); });
          add_walk("gather_dot", [=](benchmark::State& state) { gather(state, setup, Metric::dot_product, n); });
          add_walk("gather_l2", [=](benchmark::State& state) { gather(state, setup, Metric::euclidean, n); });
        }
      }
    }
  }
}

}  // namespace
}  // namespace cassata::kernels::dense

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("instruction_set", std::string(cassata::kernels::dense::target_name()));
  cassata::kernels::dense::add_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
