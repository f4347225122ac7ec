import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDebianImage } from './support/debian.js';
import { type Box, Worker } from './support/host.js';

let worker: Worker;
let box: Box;
beforeAll(async () => {
  const reference = await makeDebianImage();
  worker = await Worker.open();
  box = await worker.box({ image: { reference, pull: ['never'] } });
});
afterAll(async () => {
  await box[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
});

async function ok(script: string): Promise<string> {
  const { exit, text } = await box.sh(`set -e\n${script}`);
  expect(exit, text).toEqual({ status: 'exited', code: 0 });
  return text;
}

it('installs a package by apt-get, with its own user for fetching', async () => {
  await ok(`
mkdir -p greeter/DEBIAN greeter/usr/bin repository
printf 'Package: ritmo-greeter\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: Test <test@example.com>\\nDescription: greets\\n' > greeter/DEBIAN/control
printf '#!/bin/sh\\ngetent passwd ritmo-greeter >/dev/null && exit 1\\necho installed > /etc/greeter.done\\n' > greeter/DEBIAN/postinst
chmod 755 greeter/DEBIAN/postinst
printf '#!/bin/sh\\necho greetings\\n' > greeter/usr/bin/ritmo-greet
chmod 755 greeter/usr/bin/ritmo-greet
dpkg-deb --root-owner-group --build greeter repository/greeter.deb >/dev/null
cd repository
{ dpkg-deb -f greeter.deb
  echo "Filename: ./greeter.deb"
  echo "Size: $(stat -c %s greeter.deb)"
  echo "SHA256: $(sha256sum greeter.deb | cut -d ' ' -f 1)"
} > Packages
chmod -R a+rX /workspace`);
  await ok(`
echo 'deb [trusted=yes] file:///workspace/repository ./' > /etc/apt/sources.list
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ritmo-greeter`);
  expect(await ok('ritmo-greet; cat /etc/greeter.done; dpkg-query -W -f "\\${Status}" ritmo-greeter')).toBe(
    'greetings\ninstalled\ninstall ok installed',
  );
});

it('compiles a program by gcc, and runs it', async () => {
  const text = await ok(`
cat > sum.c <<'END'
#include <stdio.h>
#include <math.h>
int main(void) { printf("%.0f of %s\\n", sqrt(1764.0), __func__); return 0; }
END
gcc -O2 -Wall -o sum sum.c -lm
./sum`);
  expect(text).toBe('42 of main\n');
});

it('clones, commits and pushes by git over file://', async () => {
  const text = await ok(`
git init -q --bare -b main origin.git
git clone -q file:///workspace/origin.git work 2>/dev/null
cd work
git config user.name Builder
git config user.email builder@example.com
echo text > file
git add file
git commit -q -m 'A file'
git push -q origin HEAD:main
cd ..
git clone -q --depth 1 file:///workspace/origin.git again
git -C again log --format='%an: %s'
cat again/file`);
  expect(text).toBe('Builder: A file\ntext\n');
});
