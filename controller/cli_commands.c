/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/cli_commands.h"

/* Instead of --socket. */
#define REMOTE_HELP                                                                           \
    "      --controller URL    ask it from another machine, https://HOST:PORT\n"              \
    "      --certificate FILE  as this operator, what 'ca operator' wrote\n"                  \
    "      --pin PIN           its key, as 'p2pvpn-controller pin' prints it; default: the\n" \
    "                          system's authorities know it\n"

const struct command cli_commands[] = {
    {
        .name = "init",
        .argument = "[FOLDER]",
        .options = "nupPq",
        .needs = "",
        .usage = "init [--name MESH] [--url URL]... [--passphrase-file FILE | --no-passphrase]\n"
                 "          [--quiet] [FOLDER]",
        .summary = "make a folder with all that a new mesh needs",
        .help =
            "Makes in FOLDER, which need not be there, or in the working folder, all of this or\n"
            "nothing: mesh.json, a model of two LANs to begin from; ca, the certificate\n"
            "authority; keys and repository, a signed repository with one root key; and a\n"
            ".gitignore that keeps the secrets out of git.  Of these nothing may be there yet.\n"
            "One passphrase encrypts the keys of the authority and of the repository's root and\n"
            "targets.\n"
            "\n"
            "      --name MESH  the name of the mesh; default: that of the folder\n"
            "      --url URL    where gateways will find the repository, http:// or https://;\n"
            "                   may be there more than once, for mirrors.  Answers to enrolment\n"
            "                   bring it to the gateways, by ca/repository.json\n"
            "      --passphrase-file FILE  its first line is the passphrase; default: ask\n"
            "      --no-passphrase         leave the keys unencrypted\n"
            "  -q, --quiet      print errors only\n",
        .run = cli_init,
    },
    {
        .name = "compile",
        .argument = "MESH",
        .options = "ofkltTSjq",
        .needs = "",
        .usage =
            "compile [-o DIR] [--format tree | bundle] [--lock FILE] [--keys FILE]\n"
            "          [--templates DIR] [--threads N] [--allow-shrink] [--quiet | --json] MESH",
        .summary = "check a mesh and write the configuration of its gateways",
        .help =
            "Checks the model in MESH (JSON, or XML if its name ends in .xml) and writes\n"
            "DIR/GATEWAY/ with bundle.json, frr/frr.conf and openvpn/pvN.conf for every\n"
            "gateway, or the same files in one archive for each, DIR/GATEWAY.tar.  Without -o\n"
            "it only checks.  A failed compile changes nothing; a successful one replaces the\n"
            "whole output in one step and leaves every file that it did not write itself.\n"
            "\n"
            "  -o, --output DIR     the folder to write; made if it is not there\n"
            "      --format FORMAT  tree: a folder for each gateway, the default;\n"
            "                       bundle: an archive for each gateway\n"
            "      --lock FILE      numbers handed out so far, kept beside the model;\n"
            "                       default: NAME.lock.json for NAME.json\n"
            "      --keys FILE      keys that the gateways were enrolled with, kept beside the\n"
            "                       model; default: NAME.keys.json for NAME.json\n"
            "      --templates DIR  templates that replace the installed ones, file by file\n"
            "      --threads N      how many threads render and write; default: as many as\n"
            "                       there are processors; the output is the same\n"
            "      --allow-shrink   even if more than 20 % of the gateways, links or LANs\n"
            "                       (and more than ten) would be removed\n"
            "  -q, --quiet          print warnings and errors only\n"
            "      --json           print the summary as JSON\n",
        .run = cli_compile,
    },
    {
        .name = "cost",
        .argument = "MESH",
        .options = "lGFj",
        .needs = "",
        .usage = "cost [--lock FILE] [--gateway NAME] [--frr VERSION] [--json] MESH",
        .summary = "say what a mesh asks of its gateways",
        .help = "Says what the mesh in MESH asks of its gateways, of each and in sum: OpenVPN\n"
                "processes, BGP sessions and paths, memory, BFD packets, UDP ports, link\n"
                "addresses, and how many update messages a withdrawn prefix costs.  Warns where\n"
                "a gateway would have more than it bears.  Writes no file.\n"
                "\n"
                "      --lock FILE     numbers handed out so far; default: NAME.lock.json for\n"
                "                      NAME.json\n"
                "      --gateway NAME  this gateway only, in detail\n"
                "      --frr VERSION   of the gateways' FRR, for bgpd's memory; default: 8.4.4\n"
                "      --json          print it as JSON, with every gateway\n",
        .run = cli_cost,
    },
    {
        .name = "plan",
        .argument = "MESH",
        .options = "akltGSdj",
        .needs = "",
        .usage = "plan [--against DIR | --against LOCK] [--lock FILE] [--keys FILE]\n"
                 "          [--templates DIR] [--gateway NAME] [--allow-shrink]\n"
                 "          [--detailed-exitcode] [--json] MESH",
        .summary = "say what publishing a mesh would do",
        .help =
            "Says what it would do to publish the mesh in MESH: which gateways, links and\n"
            "LANs come, go and change, and at each gateway which OpenVPN processes start,\n"
            "restart and stop, which BGP sessions come up, reset and go, which routes appear\n"
            "and vanish.  Writes nothing.\n"
            "\n"
            "      --against DIR    the output that is published, which is compared to the\n"
            "                       byte; or a lock, which only says which gateways and\n"
            "                       links there were; default: the mesh's lock\n"
            "      --lock FILE      numbers handed out so far; default: NAME.lock.json for\n"
            "                       NAME.json\n"
            "      --keys FILE      keys that the gateways were enrolled with, kept beside the\n"
            "                       model; default: NAME.keys.json for NAME.json\n"
            "      --templates DIR  templates that replace the installed ones, file by file\n"
            "      --gateway NAME   this gateway only, in detail\n"
            "      --allow-shrink   even if more than 20 % of the gateways, links or LANs\n"
            "                       (and more than ten) would be removed\n"
            "      --detailed-exitcode  exit with 0 if nothing would change, with 2 if\n"
            "                       something would; wrong usage is 1 then\n"
            "      --json           print it as JSON, with every gateway that changes\n",
        .run = cli_plan,
    },
    {
        .name = "show topology",
        .argument = "MESH",
        .options = "folq",
        .needs = "f",
        .usage = "show topology --format FORMAT [-o FILE] [--lock FILE] [--quiet] MESH",
        .summary = "draw a mesh, or hand it to other programs",
        .help =
            "Shows which gateways of the mesh in MESH are linked, as it would be compiled now.\n"
            "\n"
            "      --format FORMAT  dot: a drawing for Graphviz\n"
            "                       svg: the drawing, which needs Graphviz\n"
            "                       json: every gateway and link\n"
            "                       ietf: the same as RFC 8345 and RFC 8346 say\n"
            "  -o, --output FILE    where to write; default: standard output\n"
            "      --lock FILE      numbers handed out so far; default: NAME.lock.json for\n"
            "                       NAME.json\n"
            "  -q, --quiet          print errors only, no warnings\n",
        .run = cli_show_topology,
    },
    {
        .name = "ca init",
        .options = "cnpP",
        .needs = "c",
        .usage = "ca init --ca DIR [--name MESH] [--passphrase-file FILE | --no-passphrase]",
        .summary = "make the certificate authority of a mesh",
        .help = "Makes a new certificate authority in DIR, a folder that only its owner can\n"
                "read.  Whoever has it can add a gateway to the mesh: keep it secret, and keep a\n"
                "copy.  An authority that is there already is never replaced.\n"
                "\n"
                "      --ca DIR     the folder of the authority\n"
                "      --name MESH  the name of the mesh, which its certificate shows\n"
                "      --passphrase-file FILE  its first line encrypts the key; default: ask\n"
                "      --no-passphrase         leave the key unencrypted, for those who keep it\n"
                "                              in another way\n",
        .run = cli_ca_init,
    },
    {
        .name = "ca rollover",
        .options = "cp",
        .needs = "c",
        .usage = "ca rollover --ca DIR [--passphrase-file FILE]",
        .summary = "make the authority that follows the one of a mesh",
        .help = "Makes a second authority in DIR, before the first one ends.  The first one still\n"
                "issues, but from now on answers carry both.  When every gateway has installed\n"
                "such an answer, go on with 'p2pvpn-ctl ca switch'.\n"
                "\n"
                "      --ca DIR                the folder of the authority\n"
                "      --passphrase-file FILE  its first line is the passphrase; default: ask\n",
        .run = cli_ca_rollover,
    },
    {
        .name = "ca switch",
        .options = "c",
        .needs = "c",
        .usage = "ca switch --ca DIR",
        .summary = "let the authority that follows issue certificates",
        .help = "From now on the second authority issues, and answers still carry both.  The old\n"
                "key is gone.  When every gateway has a certificate of the new one, go on with\n"
                "'p2pvpn-ctl ca retire'.\n"
                "\n"
                "      --ca DIR  the folder of the authority\n",
        .run = cli_ca_switch,
    },
    {
        .name = "ca retire",
        .options = "c",
        .needs = "c",
        .usage = "ca retire --ca DIR",
        .summary = "end the trust in the authority of before",
        .help = "From now on answers carry the new authority only, and a gateway that installs\n"
                "one trusts the old one no longer.\n"
                "\n"
                "      --ca DIR  the folder of the authority\n",
        .run = cli_ca_retire,
    },
    {
        .name = "ca operator",
        .argument = "NAME",
        .options = "cop",
        .needs = "co",
        .usage = "ca operator --ca DIR -o FILE [--passphrase-file FILE] NAME",
        .summary = "let an operator ask the controller from another machine",
        .help = "Makes a key and a certificate by which the controller knows an operator, for\n"
                "'token', 'status' and 'sync' with --controller and --certificate.  It is good\n"
                "for 90 days.  To end it earlier, name the other operators in the controller's\n"
                "settings (operators).\n"
                "\n"
                "      --ca DIR         the folder of the authority\n"
                "  -o, --output FILE    where to write both, for its owner alone\n"
                "      --passphrase-file FILE  its first line is the passphrase; default: ask\n",
        .run = cli_ca_operator,
    },
    {
        .name = "enroll",
        .argument = "REQUEST",
        .options = "cgkopq",
        .needs = "c",
        .usage = "enroll --ca DIR [-o ANSWER] [--keys FILE] [--generation N]\n"
                 "          [--passphrase-file FILE] [--quiet] REQUEST",
        .summary = "answer a gateway's request with a certificate",
        .help =
            "Checks the request that 'p2pvpn-agent enroll' made on a gateway and answers it\n"
            "with the gateway's certificate and that of the authority in one file, which\n"
            "'p2pvpn-agent enroll --install' installs there.  Compare the fingerprint that is\n"
            "printed with the one that the gateway shows before you hand the answer out.\n"
            "Warns when the authority has less than two years left.\n"
            "Notes the gateway's public keys in FILE, which compile reads.\n"
            "\n"
            "      --ca DIR         the folder of the authority\n"
            "  -o, --output ANSWER  where to write; default: standard output\n"
            "      --keys FILE      where the keys are noted; default: mesh.keys.json in the\n"
            "                       working folder, beside the model\n"
            "      --generation N   the generation of the keys; default: what FILE says, or 1\n"
            "      --passphrase-file FILE  its first line is the passphrase of the authority's\n"
            "                       key; default: ask\n"
            "  -q, --quiet          do not print the fingerprint\n",
        .run = cli_enroll,
    },
    {
        .name = "revoke",
        .argument = "GATEWAY",
        .options = "klq",
        .needs = "",
        .usage = "revoke [--keys FILE] [--lock FILE] [--quiet] GATEWAY",
        .summary = "have a gateway's keys refused by all others, for good",
        .help = "Notes in FILE that the gateway is out.  With the next bundles, every other\n"
                "gateway ends its links to it at once and accepts its keys never again, also if\n"
                "it leaves the model and comes back.  It gets no certificate any more, unless\n"
                "'p2pvpn-ctl rekey' lets it have new keys.\n"
                "\n"
                "      --keys FILE  the keys that the gateways were enrolled with; default:\n"
                "                   mesh.keys.json in the working folder\n"
                "      --lock FILE  numbers handed out so far; default: mesh.lock.json there\n"
                "  -q, --quiet      print errors only\n",
        .run = cli_revoke,
    },
    {
        .name = "rekey",
        .argument = "GATEWAY",
        .options = "klq",
        .needs = "",
        .usage = "rekey [--keys FILE] [--lock FILE] [--quiet] GATEWAY",
        .summary = "have a gateway's keys refused, until it has new ones",
        .help = "For a gateway that stays and whose keys somebody else may have.  The old keys\n"
                "are refused as after 'p2pvpn-ctl revoke'; the next request of the gateway, made\n"
                "with 'p2pvpn-agent enroll --rekey', can be answered with 'p2pvpn-ctl enroll'.\n"
                "\n"
                "      --keys FILE  the keys that the gateways were enrolled with; default:\n"
                "                   mesh.keys.json in the working folder\n"
                "      --lock FILE  numbers handed out so far; default: mesh.lock.json there\n"
                "  -q, --quiet      print errors only\n",
        .run = cli_rekey,
    },
    {
        .name = "publish",
        .argument = "MESH",
        .options = "oRKkltTSpejq",
        .needs = "",
        .usage =
            "publish [-o DIR] [--repository REPO] [--repository-keys DIR]\n"
            "          [--passphrase-file FILE] [--lock FILE] [--keys FILE] [--templates DIR]\n"
            "          [--threads N] [--expires DAYS] [--allow-shrink] [--quiet | --json] MESH",
        .summary = "compile a mesh and publish it",
        .help =
            "Says what it does, as 'p2pvpn-ctl plan --against DIR'; compiles MESH into DIR, one\n"
            "archive for each gateway, as 'compile --format bundle'; and makes these what\n"
            "gateways get from the repository REPO, as 'repo publish'.  What compile refuses is\n"
            "not published.\n"
            "\n"
            "  -o, --output DIR            the folder to compile into, always the same one;\n"
            "                              default: out beside MESH\n"
            "      --repository REPO       what 'repo init' made; default: repository beside MESH\n"
            "      --repository-keys DIR   its keys: targets, snapshot, timestamp; default: keys\n"
            "                              beside MESH\n"
            "      --passphrase-file FILE  its first line is their passphrase; default: ask\n"
            "      --lock FILE             numbers handed out so far\n"
            "      --keys FILE             the keys that the gateways were enrolled with\n"
            "      --templates DIR         templates that replace the installed ones\n"
            "      --threads N             how many threads render and write\n"
            "      --expires DAYS          this time other days than 'repo init' was told\n"
            "      --allow-shrink          even if more than 20 % of the gateways, links or LANs\n"
            "                              (and more than ten) would be removed\n"
            "  -q, --quiet                 print warnings and errors only\n"
            "      --json                  print plan and repository as JSON\n",
        .run = cli_publish,
    },
    {
        .name = "repo init",
        .argument = "REPO",
        .options = "keNMpjq",
        .needs = "k",
        .usage = "repo init --keys DIR [--root-keys N] [--root-threshold M] [--expires DAYS]\n"
                 "          [--passphrase-file FILE] [--quiet | --json] REPO",
        .summary = "make a signed repository and its keys",
        .help =
            "Makes the keys that are not in DIR yet and the repository REPO, from which\n"
            "gateways take their bundles, through any web server and without trusting it.\n"
            "REPO/metadata/1.root.json is what they are to trust.  The keys of root and targets\n"
            "have a passphrase; those of snapshot and timestamp have none, so that a service can\n"
            "use them.  A repository that is there is never replaced.\n"
            "\n"
            "      --keys DIR            the folder of the keys\n"
            "      --root-keys N         how many keys the root has; default: 1\n"
            "      --root-threshold M    how many of them must sign; default: 1\n"
            "      --expires DAYS        how long each role is valid; default:\n"
            "                            root=365,targets=90,snapshot=7,timestamp=1\n"
            "      --passphrase-file FILE  its first line is the passphrase; default: ask\n"
            "  -q, --quiet               print warnings and errors only\n"
            "      --json                print what came of it as JSON\n",
        .run = cli_repo_init,
    },
    {
        .name = "repo publish",
        .argument = "REPO",
        .options = "kiepSjq",
        .needs = "ki",
        .usage = "repo publish --keys DIR --from OUTPUT [--passphrase-file FILE] [--expires DAYS]\n"
                 "          [--allow-shrink] [--quiet | --json] REPO",
        .summary = "put what was compiled into the repository",
        .help =
            "Makes OUTPUT, which 'compile --format bundle' wrote, what gateways get from the\n"
            "repository REPO.  They see all of it at once.  Of two who publish at the same time\n"
            "one is told so, and nothing of his is seen.\n"
            "\n"
            "      --keys DIR            the folder of the keys: targets, snapshot, timestamp\n"
            "      --from OUTPUT         the output of compile\n"
            "      --passphrase-file FILE  its first line is the passphrase; default: ask\n"
            "      --expires DAYS        this time other days than 'repo init' was told, as in\n"
            "                            targets=180\n"
            "      --allow-shrink        even if more than 20 % of the gateways (and more than\n"
            "                            ten) would be removed\n"
            "  -q, --quiet               print warnings and errors only\n"
            "      --json                print what came of it as JSON\n",
        .run = cli_repo_publish,
    },
    {
        .name = "repo refresh",
        .argument = "REPO",
        .options = "kejq",
        .needs = "k",
        .usage = "repo refresh --keys DIR [--expires DAYS] [--quiet | --json] REPO",
        .summary = "say that what was published still holds",
        .help =
            "Signs the timestamp of the repository REPO anew, and its snapshot if that expires\n"
            "soon, with the two keys that have no passphrase.  To be run by a timer, more often\n"
            "than the timestamp expires, where no controller does it.\n"
            "\n"
            "      --keys DIR      the folder of the keys: snapshot, timestamp\n"
            "      --expires DAYS  this time other days, as in timestamp=14\n"
            "  -q, --quiet         print warnings and errors only\n"
            "      --json          print what came of it as JSON\n",
        .run = cli_repo_refresh,
    },
    {
        .name = "repo rotate",
        .argument = "REPO",
        .options = "krNMxpejq",
        .needs = "k",
        .usage =
            "repo rotate --keys DIR [--role NAME] [--root-keys N] [--root-threshold M]\n"
            "          [--finish] [--passphrase-file FILE] [--expires DAYS] [--quiet | --json]\n"
            "          REPO",
        .summary = "replace a key of the repository, or make its root last longer",
        .help =
            "Makes the next root: with a new key for a role, with more or fewer keys of the root\n"
            "itself, or without a change but for another year.  Gateways follow by themselves.\n"
            "If the keys of the root that are in DIR are enough it comes into place at once;\n"
            "else it waits in REPO/next-root.json, is signed where the others are, with 'repo\n"
            "sign', and brought in with --finish.\n"
            "New keys are encrypted, unless those in DIR are not and there is no\n"
            "--passphrase-file.\n"
            "\n"
            "      --keys DIR            the folder of the keys\n"
            "      --role NAME           root-1, root-2, ..., targets, snapshot or timestamp gets\n"
            "                            a new key\n"
            "      --root-keys N         from now on the root has N keys\n"
            "      --root-threshold M    and M of them must sign\n"
            "      --finish              bring in the root that waits\n"
            "      --passphrase-file FILE  its first line is the passphrase; default: ask\n"
            "      --expires DAYS        this time other days, as in root=730\n"
            "  -q, --quiet               print warnings and errors only\n"
            "      --json                print what came of it as JSON\n",
        .run = cli_repo_rotate,
    },
    {
        .name = "repo sign",
        .argument = "FILE",
        .options = "kpq",
        .needs = "k",
        .usage = "repo sign --keys DIR [--passphrase-file FILE] [--quiet] FILE",
        .summary = "sign a root that waits, on the machine that has the keys",
        .help =
            "Signs the root in FILE, which 'repo rotate' left as REPO/next-root.json, with every\n"
            "key of the root in DIR, and says what it says.  Needs neither the repository nor a\n"
            "network.\n"
            "\n"
            "      --keys DIR              the folder with root-1.pem, root-2.pem, ...\n"
            "      --passphrase-file FILE  its first line is the passphrase; default: ask\n"
            "  -q, --quiet                 print errors only\n",
        .run = cli_repo_sign,
    },
    {
        .name = "repo check",
        .argument = "REPO",
        .options = "jq",
        .needs = "",
        .usage = "repo check [--quiet | --json] REPO",
        .summary = "read everything of a repository as a gateway would",
        .help =
            "Reads the repository REPO as a gateway's client does, from its first root on: every\n"
            "signature, every length and hash, every bundle.  Warns of what expires soon.\n"
            "\n"
            "  -q, --quiet  print warnings and errors only\n"
            "      --json   print what there is as JSON\n",
        .run = cli_repo_check,
    },
    {
        .name = "token create",
        .argument = "GATEWAY",
        .options = "gHsCEIjq",
        .needs = "",
        .usage =
            "token create [--generation N] [--hours N] [--socket FILE | --controller URL ...]\n"
            "          [--quiet | --json] GATEWAY",
        .summary = "let a gateway enroll, once",
        .help =
            "Prints a token with which this gateway, and no other, may enroll at the\n"
            "controller (POST /v1/enroll).  Whoever has it\n"
            "can become this gateway: bring it there as you would bring a password.\n"
            "\n"
            "      --generation N  of its keys, higher than before for a gateway that gets new\n"
            "                      ones; default: the lowest that the controller takes\n"
            "      --hours N       how long it is good for, up to 720; default: 24\n"
            "      --socket FILE   where the controller is asked; default:\n"
            "                      " SERVICE_SOCKET "\n" REMOTE_HELP
            "  -q, --quiet         print the token alone\n"
            "      --json          print it as JSON\n",
        .run = cli_token_create,
    },
    {
        .name = "token list",
        .options = "sCEIj",
        .needs = "",
        .usage = "token list [--socket FILE | --controller URL ...] [--json]",
        .summary = "say which tokens there are",
        .help = "Lists the tokens of all gateways: open, used, expired, revoked.  Their text is\n"
                "nowhere any more.\n"
                "\n"
                "      --socket FILE  where the controller is asked; default:\n"
                "                     " SERVICE_SOCKET "\n" REMOTE_HELP
                "      --json         print it as JSON\n",
        .run = cli_token_list,
    },
    {
        .name = "token revoke",
        .argument = "GATEWAY",
        .options = "sCEIq",
        .needs = "",
        .usage = "token revoke [--socket FILE | --controller URL ...] [--quiet] GATEWAY",
        .summary = "let no token of a gateway be used any more",
        .help = "Takes back all tokens of the gateway that were not used.  Keys that it has are\n"
                "not touched: that is 'p2pvpn-ctl revoke'.\n"
                "\n"
                "      --socket FILE  where the controller is asked; default:\n"
                "                     " SERVICE_SOCKET "\n" REMOTE_HELP
                "  -q, --quiet        print errors only\n",
        .run = cli_token_revoke,
    },
    {
        .name = "status",
        .argument = "[GATEWAY]",
        .options = "swCEIj",
        .needs = "",
        .usage = "status [--watch] [--socket FILE | --controller URL ...] [--json] [GATEWAY]",
        .summary = "show all gateways, or one of them",
        .help = "Asks the controller what the gateways have reported: revision wanted and\n"
                "running, links and BGP sessions up of all, when it was last heard of, how many\n"
                "days its certificate is good for, and whether it runs something else than what\n"
                "was published (drift).  Of one gateway also its problems, links, sessions and\n"
                "the prefixes that it has no route to.\n"
                "\n"
                "      --watch        again and again, every two seconds\n"
                "      --socket FILE  where the controller is asked; default:\n"
                "                     " SERVICE_SOCKET "\n" REMOTE_HELP
                "      --json         print it as JSON\n",
        .run = cli_status,
    },
    {
        .name = "sync",
        .options = "skCEIjq",
        .needs = "",
        .usage = "sync [--socket FILE | --controller URL ...] [--keys FILE]\n"
                 "          [--quiet | --json]",
        .summary = "bring the keys of who enrolled at the controller beside the model",
        .help =
            "Notes in FILE the public keys of the gateways that enrolled at the controller,\n"
            "as 'enroll' does, so that compile knows them.  And tells the controller what FILE\n"
            "refuses, after 'revoke' and 'rekey': it takes no reports, renewals and tokens of\n"
            "these generations any more.  What is revoked there is so in FILE, too, until\n"
            "'rekey' and 'sync' let it come back.  No generation is lowered, no revoked gateway\n"
            "is let in, and keys are never replaced by others of the same generation: what\n"
            "does not fit is printed, changes nothing, and the exit code is 1.\n"
            "\n"
            "      --socket FILE  where the controller is asked; default:\n"
            "                     " SERVICE_SOCKET "\n" REMOTE_HELP
            "      --keys FILE    where the keys are noted; default: mesh.keys.json in the\n"
            "                     working folder, beside the model\n"
            "  -q, --quiet        print errors only\n"
            "      --json         print what changed as JSON\n",
        .run = cli_sync,
    },
    {
        .name = "import p2p-vpn",
        .argument = "DIR",
        .options = "oq",
        .needs = "o",
        .usage = "import p2p-vpn -o MESH [--quiet] DIR",
        .summary = "make a mesh of a P2P-VPN directory",
        .help =
            "Reads DIR, the working directory of P2P-VPN (cache.txt and servers/), and writes\n"
            "the same mesh as a model, MESH, and its lock, NAME.lock.json for NAME.json: names,\n"
            "endpoints, LANs and pairs, with the addresses and ports that the pairs have now.\n"
            "Says what could not be carried over.  Neither file may exist.\n"
            "\n"
            "  -o, --output MESH  the model to write\n"
            "  -q, --quiet        print errors only\n",
        .run = cli_import,
    },
};

const size_t n_cli_commands = sizeof(cli_commands) / sizeof(cli_commands[0]);
