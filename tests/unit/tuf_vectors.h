/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of VECTOR_TEXT by pyca/cryptography 38, an implementation that is not ours. */
#ifndef P2PVPN_TESTS_TUF_VECTORS_H
#define P2PVPN_TESTS_TUF_VECTORS_H

#define VECTOR_TEXT "what was signed"

static const char rsa_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsqKWY6GJ4x2+qiNScHB1\n"
    "an3eFBxp8sSd3EDUj3W381x7mc9JIHDfDqF9jbdx6qe9da8Ue/VZC39Gf6iTsmKO\n"
    "iDUjKPY52FXqN96SjtI8CSqkYuRHh9ByXX8JOFjiJQPmgKwFnPgN+XCnVMJ4OJ7S\n"
    "m6/qibAR9Wc3RQ+pCUBJweqd4Ve8HuwyAmtzyd0B7/bdIZ1Tv+0CPJGBWSxVQbvr\n"
    "NGIyTgvkag4fSTM/j5nlaFXxEkE7+AqQGiultvz5EchPci5AhxnQyMbTrNQ65W1J\n"
    "TvOrnM+9sKxhBinjtvFB/mNuibxlV4Pkq194dv30qlOKqHvV1Ml5doA4FXuZlwL/\n"
    "NQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

static const char rsa_sig[] =
    "0f7e9e60df4575498bae493c756d3e318220db180263060ae2d885a8b06272672540053d4d173f11"
    "0ed3a222692e6f54a6b31ad136c364d05f463a7bc35139569f8f05d8d464a85381c3f88db8f740c9"
    "4216561433842357f3c8967fdefe2138ee5d8a0cca946f7fef1c289869b0fad91788def6ddd53083"
    "52faa8e1fc9ac1de5770cb17a3e5dc9af8cb9934d4ffa69e835b1af68e0621328a837c9ce5f43ff2"
    "b8b97f5c1eea0180151bc4881bdba9d5221af3777f68ece81a06827f9c76d95f64fd468f326b2bc2"
    "307c4394d0d7bd98021d22289393d4e4cbd073f3ce49004a46457775c6151ea870fb55a364f9edcd"
    "f401e9f4116160579ba6f99a827af0a1";

static const char rsa_pkcs1_sig[] =
    "a48b3ec63d8edaf352e26ff82203867d207889b924d03d4bd02a04d723d817ee2e5ef03e4616a58c"
    "0d943a3a2491566b6644d76f182c63fc30058fc59defdb26652c8a4ddb2e564adef1368e2a537752"
    "5bbe3ea643bb11e986a6a7805acded7c748fd56b71e0606fade7021cc77ff45f323c187c00ed35d7"
    "44e8431df6db2307cfcacde914a32a651c84dfc70bc2d43fd27e9eaa72cb6e5d2d0e314178f1d332"
    "4696bdc39cc6f47533c82a0c14afa27865240f34ff2f70aed513c00b4eeb04d6e72f0cbdcc17646b"
    "cc5c8137b9a57a323d54fe42f97d131231fe3254947f237b480e722510e31cdf4c9b8d03b43a4b59"
    "0bb0ad4b9399225825010139fce445f4";

static const char rsa_short_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDW0r9E9IAzQGAS3d2T2UwNgx4V\n"
    "re5CCcEiZiKDSSZlBAlNvZj4an19S3K4EWvkVZeHw9yFaD2fYvZEjKBLv+M9XF4A\n"
    "bFOvbgnPVOgn/CyyttTBKAkbNyW7uRLOil2K5hWL1IWKCdAlYLGCI+h9fFu2Mi3b\n"
    "/Gnn+iZE1j9vS1wuEwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

static const char rsa_short_sig[] =
    "0a6c24651a76a1782eaea1de8b6d154aedf879dbe26fe1539fba86d2f111eb18716a477884c4186b"
    "244b282a4c0735e0c91522894fddf8396a9ce42083a40fe76dd68fea7b564155735dab85b1d4650a"
    "51296b0551c71c171a1e5eb46909592d5d28954c3f0bb2380ae8df82e41efce4bcc35522bf9130ac"
    "49171533f5ffdb60";

static const char ecdsa_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3xfuwKf/cW64G51IY6DxcqStq9Tn\n"
    "+XVZLdr5ZFWhIlxrQcHLp8z+uMKcvhcAyVAnhnCAfE4owBpbf7qIRmnWnA==\n"
    "-----END PUBLIC KEY-----\n";

static const char ecdsa_point[] =
    "04df17eec0a7ff716eb81b9d4863a0f172a4adabd4e7f975592ddaf96455a1225c6b41c1cba7ccfe"
    "b8c29cbe1700c950278670807c4e28c01a5b7fba884669d69c";

static const char ecdsa_sig[] =
    "304502200f8caaa556b24d861d912974afb96aafe6300d92da24777547ecd08725796ad0022100bc"
    "de2762a09af9987a636a60ebcbe93743c4fac56b2da81236f5cd0d6f65c471";

static const char p384_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEEq6CtPpRttAVSFDXWYXVAwr4ItUZXmn+\n"
    "dQHrXGApcVVwLOJyscijSqpwfxnyihKZq2AMBmiPHP2A8vbaQdaMHu76I9W00cVe\n"
    "cuMQWqBHzM72MOUjzDJpeEctTNWFn731\n"
    "-----END PUBLIC KEY-----\n";

static const char p384_sig[] =
    "30660231008decc27a9bfce03a40839f50682c501a2d891317f9bb60a93fbd5015ab14560e4fa340"
    "a770ccf4bb9f7e2935f118cf3c02310083c5326177c12ec0c27843c0aa28602acabb67d4fe7a1bc8"
    "f88b92a7bd3003b165a5a6d4f16766a549b9fa77a9b4408b";

#endif
