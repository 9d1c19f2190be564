// SPDX-License-Identifier: MIT

#include "schema.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "escape.hpp"
#include "parse.hpp"

namespace cosigner {

using muster::error;
using muster::ok;
using muster::text;

namespace {

error wrong(std::string_view where, std::string_view why) { return error{errc::bad_input, text(where, ": ", why)}; }

/// Looks on while nlohmann's parser reads: it keeps the last of two members with one name, without a word.
class strictness {
public:
    /// Takes the parser's events; false when what they tell of is refused.
    bool see(int depth, value::parse_event_t what, value const& parsed) {
        using event = value::parse_event_t;
        constexpr int depth_max = 16;  // ours; a request has 3
        if (depth >= depth_max && why_.empty()) why_ = text("nested deeper than ", depth_max);
        if (what == event::object_start) names_.emplace_back();
        if (what == event::object_end) names_.pop_back();
        if (what == event::key && !names_.back().insert(parsed.get<std::string>()).second && why_.empty()) {
            why_ = text("the member ", in_quotes(parsed.get<std::string>()), " is there twice");
        }
        return true;
    }
    [[nodiscard]] std::string const& why() const noexcept { return why_; }

private:
    std::vector<std::set<std::string>> names_;
    std::string why_;
};

/// What nlohmann says without its own prefix.
std::string reason(value::exception const& e) {
    std::string_view const what = e.what();
    auto const prefix = what.find("] ");
    return std::string{prefix == std::string_view::npos ? what : what.substr(prefix + 2)};
}

bool is_text(value const& v) { return v.is_string() && !v.get_ref<std::string const&>().empty(); }

/// Negative ones are of another type in what was parsed, and those that a program has put in may be of either.
bool is_count(value const& v) {
    return v.is_number_unsigned() || (v.is_number_integer() && v.get<std::int64_t>() >= 0);
}

template <class Is>
bool is_list_of(value const& v, Is is) {
    return v.is_array() && std::all_of(v.begin(), v.end(), is);
}

bool fits(value const& v, shape what) {
    switch (what) {
        case shape::text: return is_text(v);
        case shape::flag: return v.is_boolean();
        case shape::number: return is_count(v);
        case shape::texts: return is_list_of(v, is_text);
        case shape::numbers: return is_list_of(v, is_count);
        case shape::objects: return is_list_of(v, [](value const& i) { return i.is_object(); });
        case shape::object: return v.is_object();
        case shape::text_or_null: return v.is_null() || is_text(v);
    }
    return false;
}

std::string_view name_of(shape what) {
    switch (what) {
        case shape::text: return "a text that is not empty";
        case shape::flag: return "true or false";
        case shape::number: return "a whole number that is not negative";
        case shape::texts: return "a list of texts, none empty";
        case shape::numbers: return "a list of whole numbers that are not negative";
        case shape::objects: return "a list of objects";
        case shape::object: return "an object";
        case shape::text_or_null: return "a text that is not empty, or null";
    }
    return "something else";
}

}  // namespace

result<value> parse_json(std::string_view where, std::string_view json) {
    strictness watch;
    try {
        auto out = value::parse(
            json, [&](int depth, value::parse_event_t what, value& parsed) { return watch.see(depth, what, parsed); });
        if (!watch.why().empty()) return wrong(where, watch.why());
        return out;
    } catch (value::exception const& e) {  // a number may be JSON and still be out of range
        return wrong(where, text("not JSON: ", reason(e)));
    }
}

result<void> check_members(std::string_view where, value const& what, std::span<member const> members) {
    if (!what.is_object()) return wrong(where, "an object is expected");
    std::vector<std::string_view> names;
    for (auto const& m : members) names.push_back(m.name);
    for (auto const& item : what.items()) {
        auto const& name = item.key();
        auto const known = std::find_if(members.begin(), members.end(), [&](auto const& m) { return m.name == name; });
        if (known == members.end()) {
            return wrong(where, text("no member ", in_quotes(name), " is known here", did_you_mean(name, names)));
        }
        if (!fits(item.value(), known->what))
            return wrong(where, text(in_quotes(name), " must be ", name_of(known->what)));
    }
    for (auto const& m : members) {
        if (m.required && !what.contains(m.name))
            return wrong(where, text("the member ", in_quotes(m.name), " is missing"));
    }
    return ok();
}

}  // namespace cosigner
