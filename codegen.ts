import type { CodegenConfig } from '@graphql-codegen/cli';

/** Typed operations of the committed schema, for the tests: a field that is renamed breaks them before they run. */
const config: CodegenConfig = {
  schema: 'schema/schema.graphql',
  documents: ['test/testkit/operations.ts'],
  emitLegacyCommonJSImports: false,
  importExtension: '.js',
  generates: {
    'test/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: { DateTime: 'string', JSON: 'unknown', PhoneNumber: 'string' },
      },
    },
  },
};
export default config;
