import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sparticuz from '@sparticuz/chromium';
import { chromium, type Browser } from 'playwright-core';
import { build } from 'vite';

/** Chromium without a window. It comes with the packages for Linux on x64; elsewhere CHROMIUM says where it is. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? (await sparticuz.executablePath()),
    args: ['--headless=shell', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'],
  });
}

/** The console as it is now, bundled into a folder of its own. */
export async function buildConsole(): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'trunkline-console-'));
  await build({
    root: 'console',
    base: '/console/',
    configFile: false,
    logLevel: 'silent',
    build: { outDir, emptyOutDir: true, minify: false, reportCompressedSize: false },
  });
  return outDir;
}
