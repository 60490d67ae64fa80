import type { CodegenConfig } from '@graphql-codegen/cli';

const scalars = { DateTime: 'string', JSON: 'unknown', PhoneNumber: 'string' };
const names = { useTypeImports: true, enumsAsTypes: true, strictScalars: true, scalars };

/** Typed operations of the committed schema: a field that is renamed breaks tests and console before they run. */
const config: CodegenConfig = {
  schema: 'schema/schema.graphql',
  emitLegacyCommonJSImports: false,
  importExtension: '.js',
  generates: {
    'test/generated/': {
      documents: ['test/testkit/operations.ts'],
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: { documentMode: 'string', ...names },
    },
    'console/src/generated/': {
      documents: ['console/src/**/*.graphql'],
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: { onlyOperationTypes: true, ...names },
    },
  },
};
export default config;
