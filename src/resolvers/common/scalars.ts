import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { GraphQLDateTime, GraphQLJSON } from 'graphql-scalars';
import { parseE164 } from '../../lib/phone.js';

/** RFC 3339 in UTC. */
export const DateTime = GraphQLDateTime;
export const Json = GraphQLJSON;

/** `node`: where it stands in the document; of a variable graphql says it. */
function checked(value: unknown, node?: ValueNode): string {
  const number = typeof value === 'string' ? parseE164(value) : null;
  if (number === null)
    throw new GraphQLError(
      `A PhoneNumber must be in E.164 form, like +15555550100: ${JSON.stringify(value)} is not`,
      node && { nodes: node },
    );
  return number;
}

export const PhoneNumber = new GraphQLScalarType<string, string>({
  name: 'PhoneNumber',
  description: 'A phone number in E.164 form, like +15555550100. Numbers of a possible length are taken.',
  serialize: String,
  parseValue: (value) => checked(value),
  parseLiteral: (node) => checked(node.kind === Kind.STRING ? node.value : null, node),
});
