#include "format/mapping.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <atomic>
#include <cstdint>

#include "format/error.h"

namespace cassata {
namespace bip = boost::interprocess;
namespace {

int kernel_advice(Advice advice) {
  switch (advice) {
    case Advice::normal: return MADV_NORMAL;
    case Advice::random: return MADV_RANDOM;
    case Advice::will_need: return MADV_WILLNEED;
    case Advice::huge_pages:
#ifdef MADV_HUGEPAGE
      return MADV_HUGEPAGE;
#else
      return MADV_NORMAL;
#endif
  }
  return MADV_NORMAL;
}

}  // namespace

std::uint64_t blocks_read() noexcept {
#ifdef RUSAGE_THREAD
  rusage usage;
  if (::getrusage(RUSAGE_THREAD, &usage) == 0) return static_cast<std::uint64_t>(usage.ru_inblock);
#endif
  static std::atomic<std::uint64_t> calls = 0;
  return ++calls;
}

struct Mapping::Region {
  bip::mapped_region region;
};

Mapping::Mapping() = default;
Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&&) noexcept = default;
Mapping::~Mapping() = default;

Mapping::Mapping(const std::filesystem::path& path, const std::string& name) : region_(std::make_unique<Region>()) {
  try {
    region_->region = bip::mapped_region(bip::file_mapping(path.c_str(), bip::read_only), bip::read_only);
  } catch (const bip::interprocess_exception& e) {
    io_error("cannot map " + name, e.get_native_error());
  }
  bytes_ = {static_cast<const std::byte*>(region_->region.get_address()), region_->region.get_size()};
}

void Mapping::advise(std::span<const std::byte> part, Advice advice) noexcept {
  const auto page = static_cast<std::uintptr_t>(bip::mapped_region::get_page_size());
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data()) + part.size();
  if (!part.empty()) ::madvise(reinterpret_cast<void*>(begin), end - begin, kernel_advice(advice));
}

}  // namespace cassata
