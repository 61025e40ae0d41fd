// Cases 36–42: every proto type and every column type, read back by SQL. Rows are Google's own messages where it has some.
package main

import (
	"math"
	"math/big"
	"slices"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"cloud.google.com/go/bigquery/storage/managedwriter/adapt"
	"cloud.google.com/go/bigquery/storage/managedwriter/testdata"
	"cloud.google.com/go/civil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// store writes messages of one type to the default stream of a fresh table.
func (t *T) store(schema bigquery.Schema, messages ...proto.Message) *table {
	on := t.table(schema)
	rows := make([][]byte, len(messages))
	for i, message := range messages {
		rows[i] = t.encode(message)
	}
	shape := t.shapeOfMessage(messages[0].ProtoReflect().Descriptor())
	t.open(on, managedwriter.DefaultStream, shape.descriptor).append(rows)
	return on
}

// storeJSON writes rows given as JSON, with columns mapped to proto types as the options say.
func (t *T) storeJSON(schema bigquery.Schema, rows []string, options ...adapt.ProtoConversionOption) *table {
	on, shape := t.table(schema), t.shapeOf(schema, options...)
	encoded := make([][]byte, len(rows))
	for i, row := range rows {
		encoded[i] = shape.row(t, "%s", row)
	}
	t.open(on, managedwriter.DefaultStream, shape.descriptor).append(encoded)
	return on
}

const allScalars = "double_field, float_field, int32_field, int64_field, uint32_field, sint32_field, sint64_field, " +
	"fixed32_field, sfixed32_field, sfixed64_field, bool_field, string_field, bytes_field, enum_field"

func scalars(double, float float64, bytes []byte, text string, truth bool, numbers ...int64) []bigquery.Value {
	row := []bigquery.Value{double, float}
	for _, number := range numbers[:8] {
		row = append(row, number)
	}
	return append(row, truth, text, bytes, numbers[8])
}

var nothing = make([]bigquery.Value, 14)

func column(kind bigquery.FieldType) bigquery.Schema {
	return bigquery.Schema{{Name: "v", Type: kind}}
}

func mapping(from storagepb.TableFieldSchema_Type, to descriptorpb.FieldDescriptorProto_Type) adapt.ProtoConversionOption {
	return adapt.WithProtoMapping(adapt.ProtoMapping{FieldType: from, Type: to})
}

const text = descriptorpb.FieldDescriptorProto_TYPE_STRING

// numeric is how NUMERIC (scale 9) and BIGNUMERIC (scale 38) travel: little-endian two's complement of the unscaled value.
func numeric(decimal string, scale int64) []byte {
	value, _ := new(big.Rat).SetString(decimal)
	value.Mul(value, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(scale), nil)))
	unscaled := value.Num()
	size := uint(unscaled.BitLen()/8+1) * 8
	if unscaled.Sign() < 0 {
		unscaled = new(big.Int).Add(unscaled, new(big.Int).Lsh(big.NewInt(1), size))
	}
	bytes := unscaled.FillBytes(make([]byte, size/8))
	slices.Reverse(bytes)
	return bytes
}

func packedTime(hour, minute, second, micros int64) int64 {
	return ((hour<<12)+(minute<<6)+second)<<20 + micros
}

func packedDatetime(year, month, day, hour, minute, second, micros int64) int64 {
	return ((year<<26)+(month<<22)+(day<<17)+(hour<<12)+(minute<<6)+second)<<20 + micros
}

var noon = time.Date(2020, 10, 1, 12, 0, 0, 123456000, time.UTC)

var valueCases = []conformanceCase{
	{"case 36: every scalar proto type of proto2 arrives exactly, infinity included", func(t *T) {
		on := t.store(testdata.ValidationBaseSchema, &testdata.ValidationP2Optional{
			DoubleField: proto.Float64(math.Inf(1)), FloatField: proto.Float32(2.5),
			Int32Field: proto.Int32(math.MinInt32), Int64Field: proto.Int64(math.MinInt64), Uint32Field: proto.Uint32(math.MaxUint32),
			Sint32Field: proto.Int32(-123), Sint64Field: proto.Int64(math.MinInt64), Fixed32Field: proto.Uint32(math.MaxUint32),
			Sfixed32Field: proto.Int32(-999), Sfixed64Field: proto.Int64(math.MaxInt64), BoolField: proto.Bool(true),
			StringField: proto.String("tëst 😀"), BytesField: []byte{0, 255, 128}, EnumField: testdata.Proto2ExampleEnum_P2_THING.Enum(),
		})
		equal(t, "row", t.row(allScalars, on), scalars(math.Inf(1), 2.5, []byte{0, 255, 128}, "tëst 😀", true,
			math.MinInt32, math.MinInt64, math.MaxUint32, -123, math.MinInt64, math.MaxUint32, -999, math.MaxInt64, 1))
	}},
	{"case 36: so do those of required fields", func(t *T) {
		on := t.store(testdata.ValidationBaseSchema, &testdata.ValidationP2Required{
			DoubleField: proto.Float64(math.Inf(-1)), FloatField: proto.Float32(-0.5),
			Int32Field: proto.Int32(1), Int64Field: proto.Int64(2), Uint32Field: proto.Uint32(3),
			Sint32Field: proto.Int32(4), Sint64Field: proto.Int64(5), Fixed32Field: proto.Uint32(6),
			Sfixed32Field: proto.Int32(7), Sfixed64Field: proto.Int64(8), BoolField: proto.Bool(false),
			StringField: proto.String(""), BytesField: []byte{}, EnumField: testdata.Proto2ExampleEnum_P2_UNDEFINED.Enum(),
		})
		equal(t, "row", t.row(allScalars, on), scalars(math.Inf(-1), -0.5, []byte{}, "", false, 1, 2, 3, 4, 5, 6, 7, 8, 0))
	}},
	{"case 36: an empty row takes the defaults of a proto2 descriptor", func(t *T) {
		on := t.store(testdata.ValidationBaseSchema, &testdata.ValidationP2OptionalWithDefaults{})
		equal(t, "row", t.row(allScalars, on), scalars(1.11, float64(float32(2.22)), []byte("optional bytes"), "custom default", true,
			3, 4, 5, 7, 8, 9, 11, 12, 2))
	}},
	{"case 36: an empty row of proto3 is zeros, for Go writes them into the descriptor as defaults", func(t *T) {
		on := t.store(testdata.ValidationBaseSchema, &testdata.ValidationP3Defaults{})
		equal(t, "row", t.row(allScalars, on), scalars(0, 0, []byte{}, "", false, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	}},
	{"case 36: an empty row of proto2 and of proto3's optional is NULLs", func(t *T) {
		equal(t, "proto3", t.row(allScalars, t.store(testdata.ValidationBaseSchema, &testdata.ValidationP3Optional{})), nothing)
		equal(t, "proto2", t.row(allScalars, t.store(testdata.ValidationBaseSchema, &testdata.ValidationP2Optional{})), nothing)
	}},
	{"case 36: repeated scalars arrive packed and unpacked, absent ones as empty arrays", func(t *T) {
		packed := &testdata.ValidationP2PackedRepeated{
			Id: proto.Int64(1), DoubleRepeated: []float64{1.5, -2.25}, FloatRepeated: []float32{-4.5},
			Int32Repeated: []int32{-1, 2}, Int64Repeated: []int64{-3, 4}, Uint32Repeated: []uint32{5},
			Sint32Repeated: []int32{-6}, Sint64Repeated: []int64{-7}, Fixed32Repeated: []uint32{8},
			Sfixed32Repeated: []int32{-9}, Sfixed64Repeated: []int64{-10, 11}, BoolRepeated: []bool{true, false},
			EnumRepeated: []testdata.Proto2ExampleEnum{testdata.Proto2ExampleEnum_P2_THIRD_THING, testdata.Proto2ExampleEnum_P2_THING},
		}
		unpacked := &testdata.ValidationP2UnpackedRepeated{}
		t.must(proto.Unmarshal(t.encode(packed), unpacked))
		proto3 := &testdata.ValidationP3PackedRepeated{}
		t.must(proto.Unmarshal(t.encode(packed), proto3))
		want := []bigquery.Value{
			int64(1), []bigquery.Value{1.5, -2.25}, []bigquery.Value{-4.5}, []bigquery.Value{int64(-1), int64(2)},
			[]bigquery.Value{int64(-3), int64(4)}, []bigquery.Value{int64(5)}, []bigquery.Value{int64(-6)}, []bigquery.Value{int64(-7)},
			[]bigquery.Value{int64(8)}, []bigquery.Value{int64(-9)}, []bigquery.Value{int64(-10), int64(11)},
			[]bigquery.Value{true, false}, []bigquery.Value{int64(3), int64(1)},
		}
		for _, message := range []proto.Message{packed, unpacked, proto3} {
			equal(t, "row", t.row("*", t.store(testdata.ValidationRepeatedSchema, message)), want)
		}
		absent := t.row("double_repeated, enum_repeated", t.store(testdata.ValidationRepeatedSchema, &testdata.ValidationP2UnpackedRepeated{}))
		equal(t, "absent", absent, []bigquery.Value{[]bigquery.Value(nil), []bigquery.Value(nil)})
	}},
	{"case 36: enums nested and shared between messages arrive as their numbers", func(t *T) {
		on := t.store(testdata.ExternalEnumMessageSchema, &testdata.ExternalEnumMessage{
			MsgA: &testdata.EnumMsgA{Foo: proto.String("foo"), Bar: testdata.ExtEnum_THING.Enum()},
			MsgB: &testdata.EnumMsgB{Baz: testdata.ExtEnum_OTHER_THING.Enum()},
		})
		equal(t, "row", t.row("msg_a.foo, msg_a.bar, msg_b.baz", on), []bigquery.Value{"foo", int64(1), int64(2)})
	}},
	{"case 36: nested and repeated messages, RANGE and JSON arrive", func(t *T) {
		end := noon.UnixMicro()
		on := t.store(testdata.ComplexTypeSchema, &testdata.ComplexType{
			NestedRepeatedType: []*testdata.NestedType{{InnerType: []*testdata.InnerType{{Value: []string{"a", "b"}}, {}}}, {}},
			InnerType:          &testdata.InnerType{Value: []string{"top"}},
			RangeType:          &testdata.RangeTypeTimestamp{End: &end},
			JsonType:           proto.String(`{"foo": "bar"}`),
		})
		row := t.row("inner_type.value, range_type, JSON_VALUE(json_type, '$.foo')", on)
		equal(t, "inner", row[0], bigquery.Value([]bigquery.Value{"top"}))
		equal(t, "range", row[1], bigquery.Value(&bigquery.RangeValue{End: noon}))
		equal(t, "json", row[2], bigquery.Value("bar"))
		nested := t.row("nested_repeated_type", on)[0]
		equal(t, "nested", nested, bigquery.Value([]bigquery.Value{
			[]bigquery.Value{[]bigquery.Value{
				[]bigquery.Value{[]bigquery.Value{"a", "b"}},
				[]bigquery.Value{[]bigquery.Value(nil)},
			}},
			[]bigquery.Value{[]bigquery.Value(nil)},
		}))
	}},
	{"case 36: column_name annotations name the column, before the name of the field", func(t *T) {
		on := t.store(testdata.ValidationColumnAnnotations, &testdata.ValidationP2ColumnAnnotations{
			First: proto.String("1"), Second: proto.String("2"), Third: proto.String("3"),
		})
		equal(t, "row", t.row("first, second, `特別コラム`", on), []bigquery.Value{"1", "3", "2"})
	}},
	{"case 36: a column whose name no field can have is written by the adapter's annotation, nested too", func(t *T) {
		schema := bigquery.Schema{
			{Name: "größe", Type: bigquery.IntegerFieldType},
			{Name: "sizes", Type: bigquery.RecordFieldType, Schema: bigquery.Schema{{Name: "maß", Type: bigquery.StringFieldType}}},
		}
		on, shape := t.table(schema), t.shapeOf(schema)
		row := dynamicpb.NewMessage(shape.message)
		row.Set(shape.message.Fields().ByNumber(1), protoreflect.ValueOfInt64(7))
		inner := row.Mutable(shape.message.Fields().ByNumber(2)).Message()
		inner.Set(inner.Descriptor().Fields().ByNumber(1), protoreflect.ValueOfString("XL"))
		t.open(on, managedwriter.DefaultStream, shape.descriptor).append([][]byte{t.encode(row)})
		equal(t, "row", t.row("`größe`, sizes.`maß`", on), []bigquery.Value{int64(7), "XL"})
	}},
	{"case 37: NUMERIC as little-endian bytes, repeated", func(t *T) {
		schema := bigquery.Schema{
			{Name: "n", Type: bigquery.NumericFieldType, Repeated: true},
			{Name: "b", Type: bigquery.BigNumericFieldType},
		}
		on, shape := t.table(schema), t.shapeOf(schema)
		row := dynamicpb.NewMessage(shape.message)
		n, b := shape.message.Fields().ByName("n"), shape.message.Fields().ByName("b")
		list := row.Mutable(n).List()
		values := []string{"123.4", "-9000000", "0", "-0.000000001", "99999999999999999999999999999.999999999"}
		for _, value := range values {
			list.Append(protoreflect.ValueOfBytes(numeric(value, 9)))
		}
		row.Set(b, protoreflect.ValueOfBytes(numeric("-123456789012345678901234567890.5", 38)))
		t.open(on, managedwriter.DefaultStream, shape.descriptor).append([][]byte{t.encode(row)})
		got := t.row("n, CAST(b AS STRING)", on)
		for i, value := range got[0].([]bigquery.Value) {
			want, _ := new(big.Rat).SetString(values[i])
			if want.Cmp(value.(*big.Rat)) != 0 {
				t.fatalf("got %v, want %v", value, want)
			}
		}
		equal(t, "BIGNUMERIC", got[1], bigquery.Value("-123456789012345678901234567890.5"))
	}},
	{"case 37: DATETIME and TIME packed in integers, as the adapter has them", func(t *T) {
		schema := bigquery.Schema{{Name: "d", Type: bigquery.DateTimeFieldType}, {Name: "t", Type: bigquery.TimeFieldType}}
		on, shape := t.table(schema), t.shapeOf(schema)
		t.open(on, managedwriter.DefaultStream, shape.descriptor).append([][]byte{
			shape.row(t, `{"d": "%d", "t": "%d"}`, packedDatetime(2020, 10, 1, 12, 0, 0, 0), packedTime(13, 14, 15, 16017)),
			shape.row(t, `{"d": "%d", "t": "%d"}`, packedDatetime(9999, 12, 31, 23, 59, 59, 999999), packedTime(23, 59, 59, 999999)),
		})
		equal(t, "rows", t.query("SELECT d, t FROM "+on.sql+" ORDER BY d"), [][]bigquery.Value{
			{civil.DateTime{Date: civil.Date{Year: 2020, Month: 10, Day: 1}, Time: civil.Time{Hour: 12}},
				civil.Time{Hour: 13, Minute: 14, Second: 15, Nanosecond: 16017000}},
			{civil.DateTime{Date: civil.Date{Year: 9999, Month: 12, Day: 31}, Time: civil.Time{Hour: 23, Minute: 59, Second: 59, Nanosecond: 999999000}},
				civil.Time{Hour: 23, Minute: 59, Second: 59, Nanosecond: 999999000}},
		})
	}},
	{"case 37: DATE as days since 1970 and as text, from the first day to the last", func(t *T) {
		days := t.storeJSON(column(bigquery.DateFieldType), []string{`{"v": -719162}`, `{"v": 0}`, `{"v": 2932896}`})
		texts := t.storeJSON(column(bigquery.DateFieldType), []string{`{"v": "0001-01-01"}`, `{"v": "1970-01-01"}`, `{"v": "9999-12-31"}`},
			mapping(storagepb.TableFieldSchema_DATE, text))
		for _, on := range []*table{days, texts} {
			equal(t, "dates", t.query("SELECT v FROM "+on.sql+" ORDER BY v"), [][]bigquery.Value{
				{civil.Date{Year: 1, Month: 1, Day: 1}}, {civil.Date{Year: 1970, Month: 1, Day: 1}}, {civil.Date{Year: 9999, Month: 12, Day: 31}},
			})
		}
	}},
	{"case 38: google.protobuf.Timestamp, flattened by the adapter, is a TIMESTAMP", func(t *T) {
		on := t.storeJSON(column(bigquery.TimestampFieldType), []string{`{"v": "2020-10-01T12:00:00.123456Z"}`},
			adapt.WithProtoMapping(adapt.ProtoMapping{
				FieldType: storagepb.TableFieldSchema_TIMESTAMP,
				TypeName:  "google.protobuf.Timestamp",
				Type:      descriptorpb.FieldDescriptorProto_TYPE_MESSAGE,
			}))
		equal(t, "row", t.row("v", on), []bigquery.Value{noon})
	}},
	{"case 38: a TIMESTAMP of microseconds is exact", func(t *T) {
		shape := t.shapeOf(column(bigquery.TimestampFieldType))
		on := t.table(column(bigquery.TimestampFieldType))
		t.open(on, managedwriter.DefaultStream, shape.descriptor).append([][]byte{shape.row(t, `{"v": "%d"}`, noon.UnixMicro())})
		equal(t, "row", t.row("v", on), []bigquery.Value{noon})
	}},
	{"case 39: text in a TIMESTAMP column is read as UTC", func(t *T) {
		on := t.storeJSON(column(bigquery.TimestampFieldType), []string{`{"v": "2022-02-02 01:02:03"}`},
			mapping(storagepb.TableFieldSchema_TIMESTAMP, text))
		equal(t, "row", t.row("v", on), []bigquery.Value{time.Date(2022, 2, 2, 1, 2, 3, 0, time.UTC)})
	}},
	{"case 40: fields match columns whatever the case of their letters", func(t *T) {
		on := t.table(bigquery.Schema{{Name: "MixedCase", Type: bigquery.IntegerFieldType}, {Name: "UPPER", Type: bigquery.StringFieldType}})
		shape := t.shapeOf(bigquery.Schema{{Name: "mixedcase", Type: bigquery.IntegerFieldType}, {Name: "upper", Type: bigquery.StringFieldType}})
		t.open(on, managedwriter.DefaultStream, shape.descriptor).append([][]byte{shape.row(t, `{"mixedcase": "7", "upper": "x"}`)})
		equal(t, "row", t.row("MixedCase, UPPER", on), []bigquery.Value{int64(7), "x"})
	}},
	{"case 41: wrappers become scalars, and absent ones NULL", func(t *T) {
		flat := bigquery.Schema{
			{Name: "int64_value", Type: bigquery.IntegerFieldType},
			{Name: "wrapped_int64", Type: bigquery.IntegerFieldType},
			{Name: "string_value", Type: bigquery.StringFieldType, Repeated: true},
			{Name: "wrapped_string", Type: bigquery.StringFieldType, Repeated: true},
		}
		on := t.store(flat, wrapped, &testdata.WithWellKnownTypes{})
		equal(t, "rows", t.query("SELECT * FROM "+on.sql+" ORDER BY int64_value"), [][]bigquery.Value{
			{nil, nil, []bigquery.Value(nil), []bigquery.Value(nil)},
			{int64(123), int64(456), []bigquery.Value{"a", "b"}, []bigquery.Value{"foo", ""}},
		})
	}},
	{"case 41: in a RECORD column with a value, wrappers are what they look like", func(t *T) {
		on := t.store(testdata.WithWellKnownTypesSchema, wrapped)
		equal(t, "row", t.row("wrapped_int64.value, wrapped_string", on), []bigquery.Value{
			int64(456), []bigquery.Value{[]bigquery.Value{"foo"}, []bigquery.Value{""}},
		})
	}},
	{"case 42: a RANGE without an end is unbounded, and empty fields are bounds of none", func(t *T) {
		schema := bigquery.Schema{{Name: "v", Type: bigquery.RangeFieldType, RangeElementType: &bigquery.RangeElementType{Type: bigquery.DateFieldType}}}
		on := t.storeJSON(schema, []string{`{"v": {"start": 10, "end": 20}}`, `{"v": {"start": 10}}`, `{"v": {}}`, `{}`})
		start, end := civil.Date{Year: 1970, Month: 1, Day: 11}, civil.Date{Year: 1970, Month: 1, Day: 21}
		rows := t.query("SELECT v FROM " + on.sql)
		equal(t, "rows", len(rows), 4)
		for i, want := range []bigquery.Value{
			&bigquery.RangeValue{Start: start, End: end}, &bigquery.RangeValue{Start: start}, &bigquery.RangeValue{}, nil,
		} {
			equal(t, "range", rows[i][0], want)
		}
	}},
	{"§3.2: GEOGRAPHY, INTERVAL and JSON take text; what is no JSON is refused", func(t *T) {
		on := t.storeJSON(column(bigquery.GeographyFieldType), []string{`{"v": "POINT(1 2)"}`})
		equal(t, "geography", t.row("v", on), []bigquery.Value{"POINT(1 2)"})
		on = t.storeJSON(column(bigquery.JSONFieldType), []string{`{"v": "{\"a\": [1, null]}"}`})
		equal(t, "json", t.row("JSON_QUERY(v, '$.a')", on), []bigquery.Value{"[1,null]"})
		// Google's adapter knows no INTERVAL; any field of text is good for one.
		asText := t.shapeOf(column(bigquery.StringFieldType))
		on = t.table(column(bigquery.IntervalFieldType))
		t.open(on, managedwriter.DefaultStream, asText.descriptor).append([][]byte{asText.row(t, `{"v": "1-2 3 4:5:6.789"}`)})
		equal(t, "interval", t.row("v", on), []bigquery.Value{
			&bigquery.IntervalValue{Years: 1, Months: 2, Days: 3, Hours: 4, Minutes: 5, Seconds: 6, SubSecondNanos: 789000000},
		})
		schema := column(bigquery.JSONFieldType)
		shape := t.shapeOf(schema)
		response, _ := t.refused(t.open(t.table(schema), managedwriter.DefaultStream, shape.descriptor).
			send([][]byte{shape.row(t, `{"v": "{"}`)}), 3)
		equal(t, "row errors", len(response.GetRowErrors()), 1)
	}},
}

var wrapped = &testdata.WithWellKnownTypes{
	Int64Value:    proto.Int64(123),
	WrappedInt64:  wrapperspb.Int64(456),
	StringValue:   []string{"a", "b"},
	WrappedString: []*wrapperspb.StringValue{wrapperspb.String("foo"), wrapperspb.String("")},
}
