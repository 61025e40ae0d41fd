// From JSON to the bytes of a row.
package main

import (
	"encoding/json"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter/adapt"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

type rowEncoder struct {
	message    protoreflect.MessageDescriptor
	descriptor *descriptorpb.DescriptorProto
}

// With these protojson reads what JSON says by itself: RFC 3339 (adapt's own example), and decimals as text.
var mappings = []adapt.ProtoConversionOption{
	adapt.WithProtoMapping(adapt.ProtoMapping{
		FieldType: storagepb.TableFieldSchema_TIMESTAMP,
		TypeName:  "google.protobuf.Timestamp",
		Type:      descriptorpb.FieldDescriptorProto_TYPE_MESSAGE,
	}),
	adapt.WithProtoMapping(adapt.ProtoMapping{
		FieldType: storagepb.TableFieldSchema_NUMERIC,
		Type:      descriptorpb.FieldDescriptorProto_TYPE_STRING,
	}),
}

// newRowEncoder takes the table's fields as REST has them.
func newRowEncoder(fields json.RawMessage) (*rowEncoder, error) {
	schema, err := bigquery.SchemaFromJSON(fields)
	if err != nil {
		return nil, err
	}
	useOldNames(schema)
	table, err := adapt.BQSchemaToStorageTableSchema(schema)
	if err != nil {
		return nil, err
	}
	found, err := adapt.StorageSchemaToProtoDescriptorWithOptions(table, "root", mappings...)
	if err != nil {
		return nil, err
	}
	message := found.(protoreflect.MessageDescriptor)
	descriptor, err := adapt.NormalizeDescriptor(message)
	return &rowEncoder{message, descriptor}, err
}

var oldNames = map[bigquery.FieldType]bigquery.FieldType{
	"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD",
}

// useOldNames: of nested fields SchemaFromJSON leaves the types as they are called, and adapt knows only the old names.
func useOldNames(schema bigquery.Schema) {
	for _, field := range schema {
		if name, found := oldNames[field.Type]; found {
			field.Type = name
		}
		useOldNames(field.Schema)
	}
}

func (e *rowEncoder) encode(value []byte) []byte {
	message := dynamicpb.NewMessage(e.message)
	check(protojson.Unmarshal(value, message))
	row, err := proto.Marshal(message)
	check(err)
	return row
}
