import { Field, Int, ObjectType } from 'type-graphql';
import type { DiagnosticSeverity as Severity } from '../../entities/index.js';
import {
  AUTH_TRANSPORT_STATUSES,
  type AuthTransportAlert as Alert,
  type AuthTransportReport,
  type AuthTransportStatus as Status,
} from '../../services/auth-transport.js';
import { DiagnosticSeverity, enumOf } from '../common/enums.js';

const AuthTransportStatus = enumOf('AuthTransportStatus', AUTH_TRANSPORT_STATUSES);

@ObjectType({ simpleResolvers: true })
export class AuthTransportAlert implements Alert {
  @Field(() => String, { description: 'What to do.' })
  action!: string;
  @Field(() => String)
  code!: string;
  @Field(() => String)
  message!: string;
  @Field(() => DiagnosticSeverity)
  severity!: Severity;
}

@ObjectType({ simpleResolvers: true, description: 'Whether callers and streams can prove who they are, and how.' })
export class AuthTransport implements AuthTransportReport {
  @Field(() => AuthTransportStatus, { description: 'The worst of the alerts.' })
  status!: Status;
  @Field(() => [AuthTransportAlert])
  alerts!: Alert[];
  @Field(() => Boolean, { description: '?stream_token= is understood, beside the parameter.' })
  legacyQueryAuthEnabled!: boolean;
  @Field(() => Boolean)
  streamAuthPrimaryConfigured!: boolean;
  @Field(() => Boolean, { description: 'The secret from before is still valid.' })
  streamAuthPreviousConfigured!: boolean;
  @Field(() => Int)
  streamAuthSecretCount!: number;
}
