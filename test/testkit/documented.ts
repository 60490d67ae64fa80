import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import type { TestGateway } from './gateway.js';

interface Operation {
  method: string;
  path: string;
  pattern: RegExp;
  answers: ReadonlyMap<number, ValidateFunction>;
  /** JSON Schema of the body; null when there is none. */
  body: object | null;
}
export interface Answer {
  status: number;
  body: any;
  headers: Headers;
}

/** The REST API through its own OpenAPI document: every answer must be one that the document describes. */
export class DocumentedApi {
  readonly operations: Operation[];
  /** `GET /api/v1/call-logs` of everything that was answered with success. */
  readonly proven = new Set<string>();
  /** Every request that may have changed something and was answered with success. */
  readonly writes: { operation: string; requestId: string }[] = [];

  private constructor(
    private readonly gateway: TestGateway,
    document: any,
  ) {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    this.operations = Object.entries<any>(document.paths).flatMap(([path, operations]) =>
      Object.entries<any>(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
        answers: new Map(
          Object.entries<any>(operation.responses).flatMap(([status, { content }]) => {
            const schema = content?.['application/json']?.schema;
            return schema === undefined ? [] : [[Number(status), ajv.compile(schema)] as const];
          }),
        ),
        body: operation.requestBody?.content['application/json'].schema ?? null,
      })),
    );
  }

  static async of(gateway: TestGateway): Promise<DocumentedApi> {
    return new DocumentedApi(gateway, (await gateway.call('GET', '/api-docs/openapi.json')).body);
  }

  /** Sends, and checks the answer against the document. */
  async send(
    method: string,
    path: string,
    options: { key?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const answer = await this.gateway.call(method, path, options);
    const plain = path.split('?', 1)[0]!;
    // The literal path before one with parameters: `/call-logs/stats` is not `/call-logs/{id}`.
    const operation = this.operations
      .filter((o) => o.method === method && o.pattern.test(plain))
      .toSorted((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
    if (operation === undefined) throw new Error(`${method} ${path} is in no document`);
    const validate = operation.answers.get(answer.status);
    const what = `${method} ${path} ${answer.status} ${JSON.stringify(answer.body)}`;
    expect(validate, `not documented: ${what}`).toBeDefined();
    expect(validate!(answer.body), `${what}: ${JSON.stringify(validate!.errors)}`).toBe(true);
    if (answer.status < 300) {
      const line = `${operation.method} ${operation.path}`;
      this.proven.add(line);
      if (method !== 'GET') this.writes.push({ operation: line, requestId: answer.headers.get('x-request-id')! });
    }
    return answer;
  }
}
