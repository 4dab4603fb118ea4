// SPDX-License-Identifier: Apache-2.0
// An independent client of a TUF repository: node client.js FOLDER METADATA-URL TARGET-URL TARGET...
// FOLDER/root.json is what it trusts; what it downloads goes to FOLDER/targets.  Prints the path of each
// file; exit 1: refused, with the name of tuf-js's error.
const fs = require("fs");
const path = require("path");
const { Updater } = require("tuf-js");

async function main([folder, metadataBaseUrl, targetBaseUrl, ...targets]) {
    const targetDir = path.join(folder, "targets");
    fs.mkdirSync(targetDir, { recursive: true });
    const updater = new Updater({
        metadataDir: folder, metadataBaseUrl, targetDir, targetBaseUrl, config: { fetchRetries: 0 },
    });
    await updater.refresh();
    for (const target of targets) {
        const info = await updater.getTargetInfo(target);
        if (!info) throw new Error(`no target ${target}`);
        console.log(await updater.downloadTarget(info));
    }
}

main(process.argv.slice(2)).catch((problem) => {
    console.error(`${problem.name}: ${problem.message}`);
    process.exitCode = 1;
});
