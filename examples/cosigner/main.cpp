// SPDX-License-Identifier: MIT

// cosigner: a group of machines sign as one. `cosigner --help` lists what it does.

#include <unistd.h>

#include <csignal>
#include <sstream>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "demo.hpp"
#include "failure.hpp"
#include "parse.hpp"

namespace {

using namespace cosigner;
using muster::error;
using muster::text;

/// The command line, as CLI11 reads it. What it reads are texts; what they mean is for the parsers in parse.hpp.
class command_line {
public:
    explicit command_line(printer& out) : out_{out} {
        app_.footer(
            "Exit codes: 0 done (propose: signed, verify: valid), 1 ended without a signature or not valid,\n"
            "2 wrong arguments or a request that is refused, 3 no cosigner runs in that directory,\n"
            "4 a file, address or permission is in the way, 5 a scene of the demo failed,\n"
            "6 no signature came though our share was given, so it may be signed, 130 interrupted.");
        app_.require_subcommand(1);
        app_.set_version_flag("--version", "cosigner " COSIGNER_VERSION);
        describe_setup();
        describe_signing();
        describe_sessions();
        describe_connections();
        describe_discovery();
        describe_notices();
        describe_guardians();
        add(app_, "demo", "Watch three co-signers in four scenes", [this] { return run_demo(out_); });
    }

    /// @return the exit code.
    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (CLI::Success const& e) {
            return help(e);
        } catch (CLI::ParseError const& e) {
            auto const verb = unknown_verb(argc, argv);
            return out_.fail(error{errc::bad_input, text(verb.empty() ? e.what() : verb, "; see `cosigner --help`")});
        }
        return code_;
    }

private:
    using given = arguments::given;

    CLI::App* add(CLI::App& to, char const* name, char const* help, std::function<int()> what) {
        auto* const sub = to.add_subcommand(name, help);
        sub->add_flag("--json", json_, "JSON on standard output, one object a line, errors too; see docs/json.md");
        sub->callback([this, sub, what = std::move(what)] {
            if (!sub->get_subcommands().empty()) return;  // which is what was asked for
            auto const empty = empty_option(*sub);
            code_ = empty.empty() ? what() : out_.fail(error{errc::bad_input, empty});
        });
        return sub;
    }
    CLI::App* in_dir(CLI::App* sub) {
        sub->add_option("DIR", a_.dir, "The co-signer's directory")->required();
        return sub;
    }
    CLI::Option* option(CLI::App* sub, char const* name, given& into, char const* help) {
        return sub->add_option_function<std::string>(
            name, [&into](std::string const& v) { into = v; }, help);
    }
    /// An option that can be given again and again, and never takes the next argument as well.
    static CLI::Option* list(CLI::App* sub, char const* name, std::vector<std::string>& into, char const* help) {
        return sub->add_option(name, into, help)->allow_extra_args(false);
    }

    /// An unset variable of a shell makes an empty argument, and never means that something was left out on purpose.
    static std::string empty_option(CLI::App const& sub) {
        for (auto const* const o : sub.get_options()) {
            for (auto const& v : o->results()) {
                if (v.empty()) return text(o->get_name(), " is empty; is a variable of the shell not set?");
            }
        }
        return {};
    }

    void describe_setup() {
        auto* const sub_init =
            in_dir(add(app_, "init", "Make keys and settings in a new directory", [this] { return init(a_, out_); }));
        describe_place(sub_init);
        sub_init->add_flag("--passphrase", a_.passphrase, "Put the seed under a passphrase, asked for twice");
        option(sub_init, "--passphrase-file", a_.passphrase_file,
               "The same, with the first line of a file, - for standard input");
        describe_keys();

        auto* const peer = app_.add_subcommand("peer", "Add, list or remove co-signers, also while `run` runs");
        peer->require_subcommand(1);
        auto const manage = [this](char const* command) {
            return [this, command] { return manage_peers(a_, command, out_); };
        };
        auto* const sub_add = in_dir(add(*peer, "add", "Add a co-signer, or change its address", manage("peer_add")));
        option(sub_add, "PEER", a_.peer, "NAME=ADDRESS, the line that its init printed")->required();
        in_dir(add(*peer, "list", "List co-signers", manage("peer_list")));
        auto* const sub_remove = in_dir(add(*peer, "remove", "Remove a co-signer", manage("peer_remove")));
        option(sub_remove, "NAME", a_.peer, "Its name")->required();

        describe_wallets();
        describe_notes();
        auto* const sub_run = in_dir(add(app_, "run", "Listen, stay connected, and sign what is approved",
                                         [this] { return cosigner::run(a_, out_); }));
        needs_passphrase(sub_run);
        option(sub_run, "--approve", a_.approve,
               "ask, all, none, or digest:HEX (approve that one, refuse others) [ask]");
        option(sub_run, "--round-timeout", a_.round_timeout, "Seconds to wait for the others in a round [300]");
        option(sub_run, "--broadcast-timeout", a_.broadcast_timeout,
               "Seconds until the next signer is asked to broadcast [30]");
        sub_run->add_flag("--hold-broadcast", a_.hold_broadcast, "Do not broadcast before `cosigner broadcast`");
        list(sub_run, "--bootstrap", a_.bootstrap,
             "An address to begin with, besides those of the settings; repeatable");
        sub_run->add_flag("--auto-connect", a_.auto_connect, "Find signers from the start, whatever the settings say");
        sub_run->add_flag("--advertise", a_.advertise, "Let others find this signer, whatever the settings say");
        option(sub_run, "--metrics", a_.metrics,
               "Show metrics for Prometheus at this loopback address, such as 127.0.0.1:9100");
        option(sub_run, "--log-level", a_.level, "error, info or debug [info]");
        option(sub_run, "--drill", a_.drill,
               "What no co-signer does: false-share, to be found out; short-delay, a guardian in a hurry");
    }

    /// Where a new directory's co-signer listens, and whom it knows.
    void describe_place(CLI::App* sub) {
        option(sub, "--listen", a_.listen,
               "Where to listen, as a multiaddr; port 0: one that is free now [/ip4/127.0.0.1/tcp/0]");
        option(sub, "--name", a_.name, "What the others shall call you [the directory's name]");
        option(sub, "--address", a_.address, "Where the others reach you, if not where you listen");
        list(sub, "--peer", a_.peers, "The line that another co-signer's init printed; repeatable");
    }
    void needs_passphrase(CLI::App* sub) {
        option(sub, "--passphrase-file", a_.passphrase_file,
               "A file whose first line is the passphrase, - for standard input [asked for]");
    }
    void gives_passphrase(CLI::App* sub) {
        option(sub, "--new-passphrase-file", a_.new_passphrase_file,
               "A file whose first line is the new passphrase [asked for twice]");
    }
    void describe_keys() {
        auto* const sub_passwd = in_dir(add(app_, "passwd", "Put the seed under a passphrase, or under another one",
                                            [this] { return change_passphrase(a_, out_); }));
        needs_passphrase(sub_passwd);
        gives_passphrase(sub_passwd);
        needs_passphrase(in_dir(add(app_, "rotate", "Exchange the keys of this machine; the signer key stays",
                                    [this] { return rotate_keys(a_, out_); })));
        auto* const sub_export =
            in_dir(add(app_, "export", "Write the key, under a passphrase, to a file to keep elsewhere",
                       [this] { return export_key(a_, out_); }));
        option(sub_export, "FILE", a_.key_file, "The file, which must not exist")->required();
        needs_passphrase(sub_export);
        gives_passphrase(sub_export);
        auto* const sub_import = in_dir(add(app_, "import", "Make a directory with the key of such a file",
                                            [this] { return import_key(a_, out_); }));
        option(sub_import, "FILE", a_.key_file, "The file")->required();
        describe_place(sub_import);
        needs_passphrase(sub_import);
    }

    /// What changes a group's key besides its signers.
    void describe_group(CLI::App* sub) {
        sub->add_flag("--keep-order", a_.keep_order,
                      "Signers as in --with, you first, instead of sorted: the group's key is another one then");
        option(sub, "--path", a_.path, "BIP-328 derivation of the aggregate key, e.g. m/0/7");
        option(sub, "--taproot", a_.taproot, "Taproot tweak with this merkle root (64 digits)");
        sub->add_flag("--key-path", a_.key_path, "Taproot tweak without a script tree");
    }

    void describe_wallets() {
        auto* const wallet = app_.add_subcommand("wallet", "Add or remove shared wallets: signers under a name");
        wallet->require_subcommand(1);
        auto const manage = [this](char const* command) {
            return [this, command] { return manage_wallets(a_, command, out_); };
        };
        auto* const sub_add = in_dir(add(*wallet, "add", "Add a shared wallet", manage("wallet_add")));
        option(sub_add, "NAME", a_.wallet, "Its name")->required();
        list(sub_add, "--with", a_.with, "Co-signers, by name or signer key, with commas between; repeatable")
            ->required();
        describe_group(sub_add);
        auto* const sub_remove = in_dir(add(*wallet, "remove", "Remove a shared wallet", manage("wallet_remove")));
        option(sub_remove, "NAME", a_.wallet, "Its name")->required();
        in_dir(add(app_, "wallets", "List shared wallets", manage("wallets")));
    }

    void describe_notes() {
        auto* const notes = app_.add_subcommand("notes", "Notes that the signers of a shared wallet keep together");
        notes->require_subcommand(1);
        auto const about = [&](char const* name, char const* command, char const* help) {
            auto* const sub =
                in_dir(add(*notes, name, help, [this, command] { return ask_about_notes(a_, command, out_); }));
            option(sub, "WALLET", a_.wallet, "The wallet's name")->required();
            return sub;
        };
        auto const about_one = [&](char const* name, char const* command, char const* help) {
            auto* const sub = about(name, command, help);
            option(sub, "KEY", a_.note, "What it is about, such as a transaction's id")->required();
            return sub;
        };
        about("list", "notes_list", "List notes");
        option(about_one("set", "note_set", "Write a note, or another one in its place"), "TEXT", a_.note_text,
               "The note")
            ->required();
        about_one("remove", "note_remove", "Remove a note");
        about("conflicts", "notes_conflicts", "List notes that several wrote at the same time");
        option(about_one("resolve", "note_resolve", "Decide for one of them"), "CHOICE", a_.choice,
               "Its number in that list")
            ->required();
    }

    void describe_guardians() {
        auto* const guardians =
            app_.add_subcommand("guardians", "People who together bring a lost key back, and being one of them");
        guardians->require_subcommand(1);
        auto const about = [&](char const* name, char const* command, char const* help) {
            return in_dir(
                add(*guardians, name, help, [this, command] { return ask_about_guardians(a_, command, out_); }));
        };
        auto* const offer = about("offer", "guardians_offer", "Hand shares of the key out, in place of those before");
        list(offer, "NAME", a_.with, "Peers, with commas between; repeatable")->required();
        option(offer, "--threshold", a_.threshold, "How many of them it takes [3]");
        about("status", "guardians_status", "Who has shares, whose shares are kept here, and who asks for them");
        char const* const what = "Digits of a recovery, a user id of 64 digits, or the name of a peer who offers";
        option(about("approve", "guardians_approve", "Keep a peer's share; or say that who asks for it is they"),
               "WHAT", a_.about, what)
            ->required();
        option(about("decline", "guardians_decline", "Keep nothing of them; or say that it is not they"), "WHAT",
               a_.about, what)
            ->required();
        option(about("veto", "guardians_veto", "Tell your guardians that somebody else asks for your key"), "DIGITS",
               a_.about, "As your guardians' warning shows them")
            ->required();
        option(about("recover", "guardians_recover", "Ask guardians, who are peers of this fresh directory, for a key"),
               "USER", a_.about, "The user id of the lost directory, 64 digits")
            ->required();
    }

    void describe_connections() {
        auto const about = [this](char const* command, char const* help) {
            return in_dir(
                add(app_, command, help, [this, command] { return ask_about_connections(a_, command, out_); }));
        };
        option(about("connect", "Connect to a peer"), "PEER", a_.peer,
               "An address that ends with /p2p/PEER-ID, or the name or id of one that is known")
            ->required();
        option(about("disconnect", "End the connection to a peer"), "PEER", a_.peer, "Its name, id or address")
            ->required();
        option(about("watch", "Watch what happens to connections, or to a session"), "SESSION", a_.session,
               "First digits of the session id");
    }

    void describe_discovery() {
        auto const about = [this](CLI::App& to, char const* name, char const* command, char const* help) {
            return add(to, name, help,
                       [this, command] { return is_misplaced() ? code_ : ask_about_signers(a_, command, out_); });
        };
        auto* const sub = about(app_, "signers", "signers", "List signers that were discovered");
        sub->add_option("DIR", outer_dir_, "The co-signer's directory");
        option(sub, "--type", a_.type, "Of those that sign spend, swap, coinjoin, custody, escrow or channel");
        option(sub, "--amount", a_.amount, "Of those that sign for this amount");
        option(sub, "--fee-max", a_.fee_max, "Of those that ask for no more");
        list(sub, "--capability", a_.capabilities, "Of those that have it; repeatable");
        sub->add_flag("--subscribe", a_.subscribe, "Tell of such signers as they come and go");
        sub->add_flag("--stats", a_.stats, "How many are known, and since when");
        in_dir(about(*sub, "clear", "signers_clear", "Forget them, also on disk"));
        option(in_dir(about(*sub, "follow", "signers_follow", "Be told whatever a signer says of itself")), "KEY",
               a_.key, "Its signer key, 66 digits")
            ->required();
        option(in_dir(about(*sub, "unfollow", "signers_unfollow", "Do not follow it any more")), "KEY", a_.key,
               "Its signer key, 66 digits")
            ->required();
        in_dir(about(app_, "online", "online", "Begin to find signers and to be found; or look around at once"));
        in_dir(
            about(app_, "offline", "offline", "Stop finding signers and being found; configured peers stay connected"));

        auto* const all = add(app_, "settings", "Show the settings of discovery",
                              [this] { return is_misplaced() ? code_ : manage_settings(a_, "settings", out_); });
        all->add_option("DIR", outer_dir_, "The co-signer's directory");
        auto* const set = in_dir(add(*all, "set", "Change one; what runs takes it up at once", [this] {
            return is_misplaced() ? code_ : manage_settings(a_, "settings_set", out_);
        }));
        option(set, "NAME", a_.setting, "As `cosigner settings` lists them")->required();
        option(set, "VALUE", a_.content, "on or off, a number, a text, a list with commas and without blanks, or none")
            ->required();

        auto* const who = app_.add_subcommand("initiators", "Add, list or remove who may ask this co-signer to sign");
        who->require_subcommand(1);
        auto const manage = [this](char const* command) {
            return [this, command] { return manage_initiators(a_, command, out_); };
        };
        auto* const sub_add = in_dir(add(*who, "add", "Let a signer ask, who is no peer", manage("initiator_add")));
        option(sub_add, "NAME", a_.initiator, "What to call it")->required();
        option(sub_add, "KEY", a_.initiator_key, "Its signer key, 66 digits")->required();
        in_dir(add(*who, "list", "List them", manage("initiators")));
        auto* const sub_remove = in_dir(add(*who, "remove", "Do not let it ask any more", manage("initiator_remove")));
        option(sub_remove, "NAME", a_.initiator, "What it is called")->required();
    }

    void describe_notices() {
        auto const about = [this](CLI::App& to, char const* name, char const* command, char const* help) {
            return in_dir(add(to, name, help, [this, command] { return ask_about_notices(a_, command, out_); }));
        };
        auto* const all = app_.add_subcommand("request", "Ask for signatures before a proposal, and answer who asks");
        all->require_subcommand(1);
        auto* const ask = about(*all, "ask", "request_ask", "Ask who would sign a file or a digest");
        option(ask, "FILE", a_.file, "The file, or - for standard input; its SHA-256 is to be signed");
        option(ask, "--digest", a_.digest, "32 bytes in hexadecimal, instead of a file");
        list(ask, "--with", a_.with,
             "Whose signatures are wanted, by name or signer key, with commas between; repeatable [anybody's]");
        option(ask, "--purpose", a_.purpose, "What it is for, 64 bytes at most, shown to everybody");
        option(ask, "--type", a_.type, "spend, swap, coinjoin, custody, escrow or channel [spend]");
        option(ask, "--amount", a_.amount, "How much it is about [0]");
        option(ask, "--valid", a_.valid, "Seconds until the request ends, 7200 at most [600]");
        about(*all, "list", "requests", "List requests, and who would sign ours");
        option(about(*all, "answer", "request_answer", "Tell who asks that this signer would sign"), "REQUEST",
               a_.request, "First digits of its id")
            ->required();
        option(about(*all, "end", "request_end", "Ask no more"), "REQUEST", a_.request, "First digits of its id")
            ->required();
        about(app_, "presence", "presences", "List who shows itself online");
    }

    void describe_signing() {
        auto* const sub = in_dir(add(app_, "propose", "Ask co-signers to sign a file or a digest, and watch",
                                     [this] { return propose(a_, out_); }));
        option(sub, "FILE", a_.file, "The file, or - for standard input; its SHA-256 is signed");
        option(sub, "--digest", a_.digest, "32 bytes in hexadecimal, instead of a file");
        list(sub, "--with", a_.with, "Co-signers, by name or signer key, with commas between; repeatable");
        option(sub, "--wallet", a_.wallet, "A shared wallet, instead of --with");
        option(sub, "--purpose", a_.purpose, "What it is for, shown to those who approve [the file's name]");
        option(sub, "--election", a_.election,
               "lexicographic, hash-based; with --keep-order also first-signer, last-signer [lexicographic]");
        option(sub, "--valid", a_.valid, "Seconds until the proposal expires [600]");
        describe_group(sub);

        auto* const sub_verify = add(app_, "verify", "Check a signature", [this] { return verify(a_, out_); });
        option(sub_verify, "FILE", a_.file, "The file that was signed, or - for standard input");
        option(sub_verify, "--digest", a_.digest, "Its digest, instead of the file");
        option(sub_verify, "--key", a_.key, "Aggregate key, 64 digits")->required();
        option(sub_verify, "--signature", a_.signature, "Signature, 128 digits")->required();
    }

    void describe_sessions() {
        auto const about = [this](char const* command, char const* help) {
            auto* const sub =
                in_dir(add(app_, command, help, [this, command] { return ask_about(a_, command, out_); }));
            return sub;
        };
        auto const about_session = [&](char const* command, char const* help,
                                       char const* which = "First digits of the session id") {
            auto* const sub = about(command, help);
            option(sub, "SESSION", a_.session, which)->required();
            return sub;
        };
        about("sessions", "List sessions, oldest first, and who has given what");
        about("status", "Show keys and connections");
        about_session("show", "Show everything about a session");
        about_session("approve", "Approve a session that waits for you", "First digits of the session id, at least 8");
        option(about_session("decline", "Refuse a session that waits for you"), "--why", a_.why,
               "The reason, for everyone");
        option(about_session("abort", "Give a session up"), "--why", a_.why, "The reason, for everyone");
        about_session("broadcast", "Broadcast a signature, and tell everyone");
        about_session("failover", "Ask the next signer to broadcast");
    }

    /// The directory may stand before a command of `signers` or `settings`, or behind it; not in both places.
    bool is_misplaced() {
        if (outer_dir_.empty()) return false;
        if (a_.dir.empty()) {
            a_.dir = outer_dir_;
            return false;
        }
        code_ = out_.fail(error{errc::bad_input, text(in_quotes(outer_dir_), " and ", in_quotes(a_.dir),
                                                      ": name one directory, behind the command")});
        return true;
    }

    /// What to say when the first word is no command, which CLI11 would not name.
    [[nodiscard]] std::string unknown_verb(int argc, char** argv) const {
        CLI::App const* at = &app_;
        for (int i = 1; i < argc; ++i) {
            std::string const word = argv[i];
            if (word.starts_with("-")) continue;
            std::vector<std::string> names;
            for (auto const* const sub : at->get_subcommands([](CLI::App const*) { return true; })) {
                names.push_back(sub->get_name());
                if (sub->get_name() == word) at = sub;
            }
            if (at->get_name() == word) {
                if (at->get_subcommands([](CLI::App const*) { return true; }).empty()) return {};
                continue;
            }
            if (names.empty()) return {};
            return text(in_quotes(word), " is not a command", did_you_mean(word, {names.begin(), names.end()}));
        }
        return {};
    }

    int help(CLI::Success const& e) {
        std::ostringstream said, ignored;
        app_.exit(e, said, ignored);
        lines split;
        std::istringstream in{said.str()};
        for (std::string line; std::getline(in, line);) split.push_back(line);
        out_.tell({{"event", "help"}, {"text", said.str()}}, split);
        return success;
    }

    CLI::App app_{"A group of machines sign as one: MuSig2 (BIP-327) over libp2p.", "cosigner"};
    printer& out_;
    arguments a_;
    std::string outer_dir_;  // of `signers` and `settings`, which have commands
    bool json_ = false;      // known from the start, by the printer
    int code_ = success;
};

/// Whether JSON is asked for: known before anything else, since errors of the command line are JSON then as well.
bool wants_json(int argc, char** argv) {
    for (int i = 1; i < argc && std::string_view{argv[i]} != "--"; ++i) {
        auto const word = std::string_view{argv[i]};
        if (word == "--json" || word.starts_with("--json=")) return true;
    }
    return false;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // whoever writes is told, and ends by itself
    printer out{wants_json(argc, argv)};
    auto const code = command_line{out}.run(argc, argv);
    if (out.lost().empty()) return code;
    put_line(STDERR_FILENO, "cosigner: " + out.lost());
    return setup;
}
