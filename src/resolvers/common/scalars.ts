import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';
import { GraphQLDateTime, GraphQLJSON } from 'graphql-scalars';
import { parseE164 } from '../../lib/phone.js';

/** RFC 3339 in UTC. */
export const DateTime = GraphQLDateTime;
export const Json = GraphQLJSON;

function checked(value: unknown): string {
  const number = typeof value === 'string' ? parseE164(value) : null;
  if (number === null) throw new GraphQLError('must be a phone number in E.164 form, like +15555550100');
  return number;
}

export const PhoneNumber = new GraphQLScalarType<string, string>({
  name: 'PhoneNumber',
  description: 'A phone number in E.164 form, like +15555550100. Numbers of a possible length are taken.',
  serialize: String,
  parseValue: checked,
  parseLiteral: (node) => checked(node.kind === Kind.STRING ? node.value : null),
});
