import { Ctx, Field, ID, ObjectType, Query, Resolver } from 'type-graphql';
import type { Tenant } from '../../entities/index.js';
import { actorOf, SCOPES, type Viewer } from '../../services/viewer.js';
import type { GraphqlContext } from '../context.js';
import { enumOf } from '../common/enums.js';
import { TenantType } from '../tenant/tenant.type.js';

const ViewerKind = enumOf('ViewerKind', ['ADMIN', 'TENANT']);

@ObjectType('Viewer', { simpleResolvers: true, description: 'Whose credential this is.' })
export class ViewerType {
  @Field(() => ViewerKind)
  kind!: 'ADMIN' | 'TENANT';
  @Field(() => String, { description: 'As it appears on the audit log.' })
  name!: string;
  @Field(() => ID, { nullable: true })
  tenantId!: string | null;
  @Field(() => TenantType, { nullable: true })
  tenant!: Tenant | null;
  @Field(() => [String])
  scopes!: string[];
}

@Resolver()
export class ViewerResolver {
  @Query(() => ViewerType)
  async viewer(@Ctx() { viewer, services }: GraphqlContext): Promise<ViewerType> {
    const tenantId = viewer.kind === 'tenant' ? viewer.tenantId : null;
    return {
      kind: viewer.kind === 'tenant' ? 'TENANT' : 'ADMIN',
      name: actorOf(viewer),
      tenantId,
      tenant: tenantId === null ? null : await services.tenants.find(viewer, tenantId),
      scopes: scopesOf(viewer),
    };
  }
}

const scopesOf = (viewer: Viewer): string[] => (viewer.kind === 'tenant' ? [...viewer.scopes] : [...SCOPES]);
