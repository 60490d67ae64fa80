import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { DiagnosticSeverity as Severity } from '../../entities/index.js';
import type { AuditFilter as Trail } from '../../services/audit-query.js';
import type { DiagnosticFilter as Filter } from '../../services/diagnostics-query.js';
import { connectionType } from '../common/connection.js';
import { DiagnosticSeverity } from '../common/enums.js';
import { DateTime, Json } from '../common/scalars.js';

@ObjectType('Diagnostic', { simpleResolvers: true, description: 'Something that an operator should know.' })
export class DiagnosticType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID, { nullable: true })
  tenantId!: string | null;
  @Field(() => String)
  code!: string;
  @Field(() => DiagnosticSeverity)
  severity!: Severity;
  @Field(() => String)
  message!: string;
  @Field(() => String, { nullable: true, description: 'What to do about it.' })
  action!: string | null;
  @Field(() => Json, { nullable: true })
  detail!: Record<string, unknown> | null;
  @Field(() => Int, { description: 'How often since firstSeenAt.' })
  count!: number;
  @Field(() => DateTime)
  firstSeenAt!: Date;
  @Field(() => DateTime)
  lastSeenAt!: Date;
  @Field(() => DateTime, { nullable: true })
  resolvedAt!: Date | null;
}
export const DiagnosticConnection = connectionType('Diagnostic', () => DiagnosticType);

@InputType()
export class DiagnosticFilter implements Filter {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => DiagnosticSeverity, { nullable: true })
  severity?: Severity | null;
  @Field(() => String, { nullable: true })
  code?: string | null;
  @Field(() => Boolean, { nullable: true })
  resolved?: boolean | null;
}

@ObjectType('AuditEntry', { simpleResolvers: true, description: 'One admin change; secrets are masked.' })
export class AuditEntryType {
  @Field(() => ID)
  id!: string;
  @Field(() => ID, { nullable: true })
  tenantId!: string | null;
  @Field(() => String)
  actor!: string;
  @Field(() => String, { nullable: true })
  address!: string | null;
  @Field(() => String, { nullable: true })
  requestId!: string | null;
  @Field(() => String)
  action!: string;
  @Field(() => String)
  subjectType!: string;
  @Field(() => ID)
  subjectId!: string;
  @Field(() => Json, { nullable: true })
  before!: Record<string, unknown> | null;
  @Field(() => Json, { nullable: true })
  after!: Record<string, unknown> | null;
  @Field(() => String, { nullable: true })
  reason!: string | null;
  @Field(() => DateTime)
  createdAt!: Date;
}
export const AuditEntryConnection = connectionType('AuditEntry', () => AuditEntryType);

@InputType()
export class AuditFilter implements Trail {
  @Field(() => ID, { nullable: true })
  tenantId?: string | null;
  @Field(() => String, { nullable: true })
  actor?: string | null;
  @Field(() => String, {
    nullable: true,
    description: 'agent_version.published, or with a dot at the end all of a subject.',
  })
  action?: string | null;
  @Field(() => String, { nullable: true })
  subjectType?: string | null;
  @Field(() => ID, { nullable: true })
  subjectId?: string | null;
  @Field(() => DateTime, { nullable: true })
  since?: Date | null;
  @Field(() => DateTime, { nullable: true })
  until?: Date | null;
}
