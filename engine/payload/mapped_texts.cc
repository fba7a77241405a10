#include "engine/payload/mapped_texts.h"

#include "format/base/text.h"
#include "format/file/sections.h"

namespace cassata {

MappedTexts::MappedTexts(const MappedFile& file, const std::string& prefix)
    : MappedTexts(file, prefix,
                  file.section(prefix + std::string(kOffsetsSuffix)).bytes.size() / sizeof(std::uint64_t) - 1) {}

MappedTexts::MappedTexts(const MappedFile& file, const std::string& prefix, std::uint64_t count)
    : places_(file.section(prefix + std::string(kOffsetsSuffix))),
      text_(file.section(prefix + std::string(kTextSuffix))) {
  if (places_.bytes.size() < sizeof(std::uint64_t))
    throw places_.damaged(0, "holds " + std::to_string(places_.bytes.size()) + " bytes, expected at least 8");
  offsets_ = places_.as<std::uint64_t>(count + 1);
}

std::string_view MappedTexts::operator[](std::uint64_t i) const {
  places_.touch(std::as_bytes(offsets_.subspan(i, 2)));
  const std::uint64_t begin = read_once(offsets_[i]), end = read_once(offsets_[i + 1]);
  if (begin > end || end > text_.bytes.size())
    throw places_.damaged(i * sizeof begin, "a text from byte " + std::to_string(begin) + " to " + std::to_string(end) +
                                                ", expected 0 to " + std::to_string(text_.bytes.size()));
  const auto bytes = text_.bytes.subspan(begin, end - begin);
  text_.touch(bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void MappedTexts::verify(const Reading& reading, bool ascending) const {
  reading(places_.bytes);
  reading(text_.bytes);
  if (const std::uint64_t first = read_once(offsets_.front()); first != 0)
    throw places_.damaged(0, "a first text from byte " + std::to_string(first) + ", expected 0");
  std::string_view last;
  for (std::uint64_t i = 0; i < size(); ++i) {
    const std::string_view text = (*this)[i];
    const std::size_t at = static_cast<std::size_t>(text.data() - reinterpret_cast<const char*>(text_.bytes.data()));
    if (!is_utf8(text)) throw text_.damaged(at, "text " + std::to_string(i) + ", expected UTF-8");
    if (ascending && i != 0 && text <= last)
      throw text_.damaged(at, "text " + std::to_string(i) + ", expected one that is greater than the text before");
    last = text;
  }
  if (const std::uint64_t end = read_once(offsets_.back()); end != text_.bytes.size())
    throw places_.damaged(size() * sizeof end, "a last text up to byte " + std::to_string(end) + ", expected " +
                                                   std::to_string(text_.bytes.size()));
}

void MappedTexts::expect_all() const noexcept {
  Mapping::advise(places_.bytes, Advice::will_need);
  Mapping::advise(text_.bytes, Advice::will_need);
}

void write_texts(const Texts& texts, const std::string& prefix, FileWriter& writer) {
  writer.begin(prefix + std::string(kOffsetsSuffix), Tier::cold);
  writer.append(texts.offsets());
  writer.begin(prefix + std::string(kTextSuffix), Tier::cold);
  writer.append(std::as_bytes(std::span(texts.bytes())));
}

}  // namespace cassata
